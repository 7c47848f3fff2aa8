"""Reader of MISA's and MAG's pickles: lists of ((words, visual, acoustic[, actual words]), label, segment) by fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Account, Cleaned, DropReason, Note, Noted, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.labels import Labels, by_video, choose_label, choose_scale, storable
from mmtrans.sources.listing import PICKLE_SUFFIXES, find_pickles
from mmtrans.sources.misa.samples import Sample, samples_of
from mmtrans.sources.modalities import usual_width
from mmtrans.sources.segment_names import Name, are_videos, name_rows
from mmtrans.sources.segments import grouped, segments_of, usable
from mmtrans.sources.text.lookup import WordVectors
from mmtrans.system.user_files import check_file
from tfrecords.schema import Segment, segment_id


@dataclass
class _Outline:
    """What one pass over the files tells before any segment is made; lists are of all samples in their order."""

    splits: list[str | None] = field(default_factory=list)
    raw_ids: list[object] = field(default_factory=list)
    words: Counter = field(default_factory=Counter)
    widths: dict[str, Counter[int]] = field(default_factory=dict)
    labels: list[tuple[float, ...]] = field(default_factory=list)


def open_misa(
    path: str | Path,
    *,
    glove: str | Path | None = None,
    vectors_from: str | None = None,
    label: str | int | None = None,
    content: object = None,
) -> Corpus:
    """Opens one pickle of MISA or MAG, or a folder of them (`train.pkl`, `dev.pkl`, `test.pkl`).

    A file holds a list of samples, whose fold is in the file's name, or a dict fold → list. The steps of `audio`
    (COVAREP, 74 columns), `video` (FACET 4.1, 47) and `text` are the words. `text` is the vectors of `glove` for the
    lower-cased actual words (zeros for words that it lacks, which are counted), or without `glove` the words
    themselves where the file has them as float vectors `(steps, dim)`; otherwise there is no `text`. One file is
    held in memory at a time.

    Args:
        path: the file or folder.
        glove: word vectors in GloVe's text format.
        vectors_from: what else will give the words their vectors: there is no `text` yet, words alone make a segment,
            and the corpus tells its `vocabulary`.
        label: index of the label column, where there are several.
        content: the content of the one pickle, where it has been unpickled already; it stays in memory.

    Returns:
        A corpus whose cells that are NaN or infinite are zeros, counted. A modality that is missing from a segment,
        zero throughout it, or of other columns than in most in all of its steps or one, is absent from it, counted.
        Left out, with the reason: segments without steps or of zeros only, with modalities that disagree in length, and
        the second of two with one id.

    Raises:
        FileNotFoundError: there is no such file or no pickle in the folder.
        ValueError: a file is no pickle of data, or is not laid out like this; `glove` has none of the words.
    """
    files = _find_files(Path(path))
    outline = _survey(files, content)
    vectors, notes = _word_vectors(outline, glove, files[0])
    later = glove is None and vectors_from is not None
    dims = {name: usual_width(widths) for name, widths in outline.widths.items() if name != "text" or not later}
    dims |= {} if vectors is None else {"text": vectors.dim}
    names, folds, found = name_rows(outline.raw_ids, outline.splits, outline.labels)
    notes += found
    if not any(outline.splits):
        notes.append(note(Noted.NAMELESS_FOLDS))
    videos = [video for video, _ in names]
    widths = Counter(len(numbers) for numbers in outline.labels if numbers)
    column, name = choose_label((), usual_width(widths) if widths else 1, label, files[0], notes)
    values = by_video(videos, [_label(numbers, column) for numbers in outline.labels])
    labels = Labels(name, values, is_sentiment=name == "sentiment")
    corpus = Corpus(
        format="misa",
        files=files,
        label=choose_scale(labels, folds)[0],
        labels=labels,
        read=lambda: _read(corpus, names, vectors, dims, column, content),
        video_ids=list(dict.fromkeys(videos)),
        folds=folds,
        ids_are_videos=are_videos(outline.raw_ids, names),
        aligned=dict.fromkeys(dims, True),
        vocabulary=tuple(outline.words) if later else (),
        noted=notes,
    )
    return corpus


def _find_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [check_file(path, "pickle", "a file, or a folder of them")]
    files = find_pickles(path)
    if not files:
        raise FileNotFoundError(
            f"There are no pickles. Expected a file or a folder of {', '.join(PICKLE_SUFFIXES)} files. "
            f"Received: path={path}. Check the name."
        )
    return files


def _survey(files: Sequence[Path], content: object) -> _Outline:
    outline = _Outline()
    for path in files:
        for split, sample in samples_of(path, content):
            outline.splits.append(split)
            outline.raw_ids.append(sample.raw_id)
            outline.words.update(np.array(sample.words, object)[sample.spoken].tolist())
            outline.labels.append(sample.labels)
            for name, array in sample.features.items():
                if array.size:
                    outline.widths.setdefault(name, Counter())[array.shape[1]] += 1
    if not outline.splits:
        raise ValueError(
            f"There are no samples. Expected at least one. Received: files={[str(file) for file in files]}. "
            f"Check where the files come from."
        )
    return outline


def _word_vectors(outline: _Outline, glove: str | Path | None, path: Path) -> tuple[WordVectors | None, list[Note]]:
    if glove is None:
        return None, []
    if not outline.words:
        return None, [note(Noted.VECTORS_WITHOUT_WORDS)]
    vectors = WordVectors.open(glove, outline.words, path)
    total = outline.words.total()
    lacking = sum(count for word, count in outline.words.items() if vectors.unknown([word]))
    details = {"count": lacking, "words": total, "share": lacking / total, "file": Path(glove).name}
    return vectors, [note(Noted.SOME_WITHOUT_VECTOR, **details)] if lacking else []


def _label(numbers: Sequence[float], column: int) -> float | None:
    return numbers[column] if column < len(numbers) else None


def _read(
    corpus: Corpus,
    names: Sequence[Name],
    vectors: WordVectors | None,
    dims: Mapping[str, int],
    column: int,
    content: object,
) -> Iterator[Segment]:
    account, following = corpus.account, iter(names)
    own_text = vectors is None and not corpus.vocabulary
    account.clear()

    def make(row: tuple[Name, Sample]) -> Segment | None:
        (video, index), sample = row
        misfit = _misfit(sample)
        if misfit is not None:
            account.drop(segment_id(video, index), *misfit)
            return None
        features, tokens = _features(sample, vectors, own_text, dims, account)
        if not features and not (corpus.vocabulary and tokens):
            account.drop(segment_id(video, index), DropReason.NO_USUAL_FEATURES)
            return None
        label = storable(_label(sample.labels, column), account)
        return Segment(segment_id(video, index), video, features, label, tokens)

    named = (((next(following), sample) for _, sample in samples_of(path, content)) for path in corpus.files)
    rows = chain.from_iterable(grouped(of_file, lambda row: row[0][0]) for of_file in named)
    yield from segments_of(rows, lambda row: segment_id(*row[0]), make, account)


def _misfit(sample: Sample) -> tuple[DropReason, str] | None:
    """Why a sample is no segment, and the detail."""
    # A modality without steps is one that the segment lacks.
    steps = {name: count for name, count in sample.steps.items() if count}
    if len(set(steps.values())) > 1:
        return DropReason.LENGTHS_DISAGREE, ", ".join(f"{name} {count}" for name, count in steps.items())
    if not steps:
        return DropReason.NO_STEPS, ""
    if sample.words and not sample.spoken.any():
        return DropReason.NOTHING_SPOKEN, ""
    return None


def _features(
    sample: Sample, vectors: WordVectors | None, own_text: bool, dims: Mapping[str, int], account: Account
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What of a sample is other than zero and of the usual columns, and the spoken words; `own_text` tells whether the
    file's own text is read."""
    arrays = {name: array for name, array in sample.features.items() if len(array)}
    ragged = [name for name in sample.ragged if name != "text" or own_text]
    tokens = sample.words
    account.add(sample.account)
    if not sample.spoken.all():
        # The steps of silence go with its words.
        arrays = {name: array[sample.spoken] for name, array in arrays.items()}
        tokens = tuple(word for word, is_spoken in zip(tokens, sample.spoken, strict=True) if is_spoken)
    if not own_text:
        arrays.pop("text", None)
    if vectors is not None and tokens:
        arrays["text"] = vectors.look_up(tokens)
        account.count(Cleaned.WORDS_WITHOUT_VECTOR, "text", len(vectors.unknown(tokens)))
    odd = ragged + [name for name, array in arrays.items() if array.shape[1] != dims[name]]
    usual = {name: array for name, array in arrays.items() if name not in odd}
    return usable(usual, dict.fromkeys([*arrays, *ragged, *dims]), account, odd=odd), tokens
