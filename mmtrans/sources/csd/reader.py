"""Reader of CMU computational sequences (.csd): words, vectors, audio, video and labels with times, joined per segment.

Segment `k` of a video is row `k` of its label entry, wherever the row lies in time. A word belongs to **every** segment
that it overlaps by more than 1e-4 s, so it may belong to two. Pauses (`sp`) and marks of noise are no words. Audio,
video and text vectors become, for each word, the mean of the frames that overlap it; with `window` audio and video
become the means over windows of time instead, from the first word of a segment to its last. Without words the rows of
the text vectors are the steps; without either, each modality keeps its own steps: the frames whose midpoint lies in the
segment.

The files are opened and read in a child process (`mmtrans.sources.untrusted.parent`); nothing of HDF5 runs in this one.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.csd.plan import plan_reading, read_vocabulary
from mmtrans.sources.csd.sdk import COMPATIBILITIES
from mmtrans.sources.csd.sequence import split_id
from mmtrans.sources.csd.units import read_units
from mmtrans.sources.folds_file import read_folds
from mmtrans.sources.labels import choose_scale
from mmtrans.sources.text.lookup import look_up_words
from mmtrans.sources.untrusted.parent import read_isolated
from mmtrans.system.user_files import has_file


def open_csd(
    path: str | Path,
    *,
    glove: str | Path | None = None,
    vectors_from: str | None = None,
    label: str | int | None = None,
    label_shift: float = 0.0,
    compat: str | None = None,
    window: float | None = None,
    isolated: bool = True,
) -> Corpus:
    """Opens a folder of computational sequences (nested folders too), or a single one.

    What a sequence is follows from its content and names: strings are words; names such as COVAREP, FACET, glove or
    Opinion Segment Labels tell the others, and else the dimension does.

    Args:
        path: folder or .csd file. A `folds.json` in the folder (`{"train": [video ids], …}`) gives the folds.
        glove: GloVe text file; with it the words' vectors are looked up (lower-cased, zeros for unknown words)
            instead of read from a sequence of vectors.
        vectors_from: what else will give the words their vectors: a sequence of vectors is left aside, and the corpus
            tells its `vocabulary`.
        label: name or 0-based index of the label column. Needed only where the file has several and is not MOSEI's.
        label_shift: seconds added to the label intervals.
        compat: `sdk` or `sdk-no-impute` to join as the official SDK does (see `mmtrans.sources.csd.sdk`), or `None`.
        window: seconds of which each step of audio and of video is the mean, in place of a word's; the last one may be
            shorter.
        isolated: whether files are read in a child process, which a damaged file may kill or hang.

    Returns:
        A corpus of format `csd`. `video_ids` are those with labels that can give a segment. Without labels each video
        is one segment `<video>[0]`. A note tells where label times do not fit the words and a `label_shift` would help.

    Raises:
        FileNotFoundError: there is nothing at `path` or `glove`.
        ValueError: no sequence or an unreadable one, two for one role, an unknown label column or compat, vectors of
            none of the words, a damaged file that killed or hung its reader.
    """
    options = {
        "vectors_from": str(glove) if vectors_from is None and glove is not None else vectors_from,
        "label": label,
        "label_shift": label_shift,
        "compat": compat,
        "window": window,
    }
    if isolated:
        corpus = read_isolated(open_sequences, path, options)
    else:
        corpus = open_sequences(path, **options)
    return look_up_words(corpus, glove) if glove is not None and corpus.vocabulary else corpus


def open_sequences(
    path: str | Path,
    *,
    vectors_from: str | None,
    label: str | int | None,
    label_shift: float,
    compat: str | None,
    window: float | None = None,
) -> Corpus:
    """As `open_csd` in this process, without the words' vectors: `vocabulary` is what to look up for them."""
    path = Path(path)
    if compat is not None and compat not in COMPATIBILITIES:
        raise ValueError(
            f"Unknown compatibility. Expected one of {list(COMPATIBILITIES)}. Received: compat={compat!r} ({path}). "
            f"Choose one, or leave --compat out."
        )
    plan, notes = plan_reading(
        path, vectors_from=vectors_from, label=label, label_shift=label_shift, compat=compat, window=window
    )
    folds_path = path / "folds.json"
    has_folds = path.is_dir() and has_file(folds_path, "folds file")
    folds = read_folds(folds_path) if has_folds else None
    usable = [split_id(unit.key)[0] for unit in plan.units if any(a.find(unit.key) for a in plan.anchors())]
    words = plan.sequences.get("words")
    return Corpus(
        format="csd",
        files=[s.path for s in plan.sequences.values()] + ([folds_path] if has_folds else []),
        label=choose_scale(plan.labels, folds)[0],
        labels=plan.labels,
        read=partial(read_units, plan, 0, len(plan.units)),
        num_units=len(plan.units),
        read_units=partial(read_units, plan),
        video_ids=tuple(dict.fromkeys(usable)),
        feature_names={m: plan.sequences[m].names for m in plan.modalities if plan.sequences[m].names},
        folds=folds,
        aligned={name: plan.reference is not None and not plan.has_windows(name) for name in plan.modalities},
        account=plan.account,
        noted=notes,
        vocabulary=read_vocabulary(words) if words is not None and vectors_from is not None else (),
    )
