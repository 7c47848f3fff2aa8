"""Reader of MISA's and MAG's pickles: lists of ((words, visual, acoustic[, actual words]), label, segment) by fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Account, Cleaned, DropReason
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.glove import read_glove
from mmtrans.sources.labels import Labels, by_video, choose_label, choose_scale, storable
from mmtrans.sources.listing import PICKLE_SUFFIXES, find_pickles
from mmtrans.sources.misa.samples import Sample, samples_of
from mmtrans.sources.modalities import usual_width
from mmtrans.sources.segment_names import Name, are_videos, name_rows
from mmtrans.sources.segments import grouped, segments_of, usable
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
    vectors, dim, notes = _word_vectors(outline, glove)
    dims = {name: usual_width(widths) for name, widths in outline.widths.items()}
    dims |= {"text": dim} if vectors else {}
    names, folds, found = name_rows(outline.raw_ids, outline.splits, outline.labels)
    notes += found
    if not any(outline.splits):
        notes.append("The name of no file says its fold: folds are taken from elsewhere.")
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
        notes=notes,
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


def _word_vectors(outline: _Outline, glove: str | Path | None) -> tuple[dict[str, np.ndarray], int, list[str]]:
    if glove is None:
        return {}, 0, []
    if not outline.words:
        return {}, 0, ["The files hold no actual words: --glove was not used."]
    vectors, dim = read_glove(glove, outline.words)
    if not vectors:
        raise ValueError(
            f"The word vectors fit none of the words. Expected vectors of English words in lower case. "
            f"Received: glove={glove} for {len(outline.words)} words like {sorted(outline.words)[:3]}. "
            f"Give another file."
        )
    total = outline.words.total()
    lacking = sum(count for word, count in outline.words.items() if word not in vectors)
    share = f"{lacking} of {total} words ({lacking / total:.2%})"
    return vectors, dim, [f"{share} have no vector in {Path(glove).name} and are zeros."] if lacking else []


def _label(numbers: Sequence[float], column: int) -> float | None:
    return numbers[column] if column < len(numbers) else None


def _read(
    corpus: Corpus,
    names: Sequence[Name],
    vectors: Mapping[str, np.ndarray],
    dims: Mapping[str, int],
    column: int,
    content: object,
) -> Iterator[Segment]:
    account, following = corpus.account, iter(names)
    account.clear()

    def make(row: tuple[Name, Sample]) -> Segment | None:
        (video, index), sample = row
        misfit = _misfit(sample)
        if misfit is not None:
            account.drop(segment_id(video, index), *misfit)
            return None
        features, tokens = _features(sample, vectors, dims, account)
        if not features:
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
    sample: Sample, vectors: Mapping[str, np.ndarray], dims: Mapping[str, int], account: Account
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What of a sample is other than zero and of the usual columns, and the spoken words."""
    arrays = {name: array for name, array in sample.features.items() if len(array)}
    ragged = [name for name in sample.ragged if name != "text" or not vectors]
    tokens = sample.words
    account.add(sample.account)
    if not sample.spoken.all():
        # The steps of silence go with its words.
        arrays = {name: array[sample.spoken] for name, array in arrays.items()}
        tokens = tuple(word for word, is_spoken in zip(tokens, sample.spoken, strict=True) if is_spoken)
    if vectors:
        arrays.pop("text", None)
        if tokens:
            zeros = np.zeros(dims["text"], np.float32)
            arrays["text"] = np.stack([vectors.get(word, zeros) for word in tokens])
            account.count(Cleaned.WORDS_WITHOUT_VECTOR, "text", sum(word not in vectors for word in tokens))
    odd = ragged + [name for name, array in arrays.items() if array.shape[1] != dims[name]]
    usual = {name: array for name, array in arrays.items() if name not in odd}
    return usable(usual, dict.fromkeys([*arrays, *ragged, *dims]), account, odd=odd), tokens
