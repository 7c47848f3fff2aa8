"""Reader of MISA's and MAG's pickles: lists of ((words, visual, acoustic[, actual words]), label, segment) by fold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmtrans.sources.alignment import clean
from mmtrans.sources.corpus import Corpus, Dropped
from mmtrans.sources.glove import read_glove
from mmtrans.sources.ids import id_text, segment_id, split_name
from mmtrans.sources.labels import Labels, by_video, choose_scale, storable
from mmtrans.sources.modalities import other_columns, usual_width
from mmtrans.sources.segment_names import Name, name_rows
from mmtrans.sources.unpickle import load_pickle
from mmtrans.sources.words import is_missing, is_text, read_words
from mmtrans.user_files import check_file, has_file
from tfrecords.schema import Segment

_SUFFIXES = (".pkl", ".pickle")


@dataclass(frozen=True)
class _Sample:
    """One tuple of a file, in our names.

    Args:
        raw_id: of the segment, as the file spells it.
        features: modality → `(steps, dim)` float32 as the file has it, NaN included.
        words: the actual words in lower case, if there are any, silence among them.
        spoken: `(steps,)` bool, which words are spoken.
        treated: what was found about the words, to be counted where the sample becomes a segment.
        steps: name in the file → number of steps, which should all be one.
        label: the first number of the label; NaN as the file has it.
    """

    raw_id: object
    features: dict[str, np.ndarray]
    words: tuple[str, ...]
    spoken: np.ndarray
    treated: Counter
    steps: dict[str, int]
    label: float | None


@dataclass
class _Outline:
    """What one pass over the files tells before any segment is made; lists are of all samples in their order."""

    splits: list[str | None] = field(default_factory=list)
    raw_ids: list[object] = field(default_factory=list)
    words: Counter = field(default_factory=Counter)
    widths: dict[str, Counter[int]] = field(default_factory=dict)
    labels: list[float | None] = field(default_factory=list)


def open_misa(path: str | Path, *, glove: str | Path | None = None) -> Corpus:
    """Opens one pickle of MISA or MAG, or a folder of them (`train.pkl`, `dev.pkl`, `test.pkl`).

    A file holds a list of samples, whose fold is in the file's name, or a dict fold → list. The steps of `audio`
    (COVAREP, 74 columns), `video` (FACET 4.1, 47) and `text` are the words. `text` is the vectors of `glove` for the
    lower-cased actual words (zeros for words that it lacks, which are counted), or without `glove` the words
    themselves where the file has them as float vectors `(steps, dim)`; otherwise there is no `text`. One file is
    held in memory at a time.

    Args:
        path: the file or folder.
        glove: word vectors in GloVe's text format.

    Returns:
        A corpus whose cells that are NaN or infinite are zeros, counted. A modality that is zero throughout a segment,
        or has other columns than in most, is absent from it, counted. Left out, with the reason: segments without steps
        or of zeros only, with modalities that disagree in length, and the second of two with one id.

    Raises:
        FileNotFoundError: there is no such file or no pickle in the folder.
        ValueError: a file is no pickle of data, or is not laid out like this; `glove` has none of the words.
    """
    files = _find_files(Path(path))
    outline = _survey(files)
    vectors, dim, notes = _word_vectors(outline, glove)
    dims = {name: usual_width(widths) for name, widths in outline.widths.items()}
    dims |= {"text": dim} if vectors else {}
    names, folds, found = name_rows(outline.raw_ids, outline.splits)
    notes += found
    if not any(outline.splits):
        notes.append("The name of no file says its fold: folds are taken from elsewhere.")
    videos = [video for video, _ in names]
    labels = Labels(values=by_video(videos, outline.labels))
    corpus = Corpus(
        format="misa",
        files=files,
        label=choose_scale(labels, folds)[0],
        labels=labels,
        read=lambda: _read(corpus, names, vectors, dims),
        video_ids=list(dict.fromkeys(videos)),
        folds=folds,
        aligned=dict.fromkeys(dims, True),
        notes=notes,
    )
    return corpus


def _find_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [check_file(path, "pickle", "a file, or a folder of them")]
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and not file.is_dir())
    files = [file for file in files if not file.name.startswith(".") and has_file(file, "pickle")]
    if not files:
        raise FileNotFoundError(
            f"There are no pickles. Expected a file or a folder of {' or '.join(_SUFFIXES)} files. "
            f"Received: path={path}. Check the name."
        )
    return files


def _survey(files: Sequence[Path]) -> _Outline:
    outline = _Outline()
    for path in files:
        for split, sample in _samples(path):
            outline.splits.append(split)
            outline.raw_ids.append(sample.raw_id)
            outline.words.update(np.array(sample.words, object)[sample.spoken].tolist())
            outline.labels.append(sample.label)
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


def _read(
    corpus: Corpus, names: Sequence[Name], vectors: Mapping[str, np.ndarray], dims: Mapping[str, int]
) -> Iterator[Segment]:
    corpus.dropped.clear()
    corpus.cleaning.clear()
    seen: set[str] = set()
    following = iter(names)
    for path in corpus.files:
        by_video: dict[str, list[tuple[str, _Sample]]] = {}
        for _, sample in _samples(path):
            video, index = next(following)
            by_video.setdefault(video, []).append((segment_id(video, index), sample))
        for video, (name, sample) in ((video, named) for video, samples in by_video.items() for named in samples):
            reason = "duplicate id, the first is kept" if name in seen else _misfit(sample)
            if reason:
                corpus.dropped.append(Dropped(name, reason))
                continue
            seen.add(name)
            segment = _segment((name, video), sample, vectors, dims, corpus.cleaning)
            if segment is None:
                corpus.dropped.append(Dropped(name, "no modality is other than zero, with the columns of most"))
            else:
                yield segment


def _misfit(sample: _Sample) -> str | None:
    if len(set(sample.steps.values())) > 1:
        return "lengths disagree: " + ", ".join(f"{name} {steps}" for name, steps in sample.steps.items())
    if not any(sample.steps.values()):
        return "no steps"
    if sample.words and not sample.spoken.any():
        return "no word of it is spoken"
    return None


def _segment(
    names: tuple[str, str],
    sample: _Sample,
    vectors: Mapping[str, np.ndarray],
    dims: Mapping[str, int],
    cleaning: Counter,
) -> Segment | None:
    arrays, features, tokens = dict(sample.features), {}, sample.words
    cleaning.update(sample.treated)
    if not sample.spoken.all():
        # The steps of silence go with its words.
        arrays = {name: array[sample.spoken] for name, array in arrays.items()}
        tokens = tuple(word for word, is_spoken in zip(tokens, sample.spoken, strict=True) if is_spoken)
    if vectors:
        arrays.pop("text", None)
        if tokens:
            zeros = np.zeros(dims["text"], np.float32)
            arrays["text"] = np.stack([vectors.get(word, zeros) for word in tokens])
            unknown = sum(word not in vectors for word in tokens)
            cleaning.update({"text: words without a vector set to 0": unknown} if unknown else {})
    for modality, array in arrays.items():
        if array.shape[1] != dims[modality]:
            cleaning[other_columns(modality)] += 1
            continue
        cleaned, counts = clean(array)
        cleaning.update({f"{modality}: {what}": count for what, count in counts.items()})
        if cleaned.any():
            features[modality] = cleaned
        else:
            cleaning[f"{modality}: segments where it is all zero, taken as without it"] += 1
    if not features:
        return None
    return Segment(*names, features, storable(sample.label, cleaning), tokens)


def _samples(path: Path) -> Iterator[tuple[str | None, _Sample]]:
    content = load_pickle(path)
    if isinstance(content, dict):
        folds = [
            (split_name(key) if isinstance(key, (str, bytes)) else None, key, rows) for key, rows in content.items()
        ]
    else:
        parts = re.split(r"[^a-z]+", path.stem.lower())
        folds = [(next(filter(None, map(split_name, parts)), None), None, content)]
    for split, key, rows in folds:
        if key is not None and split is None:
            raise _layout(path, f"key {key!r}")
        if not isinstance(rows, (list, tuple)):
            raise _layout(path, f"{type(rows).__name__} for fold {key or split}")
        for place, row in enumerate(rows):
            if not isinstance(row, (list, tuple)) or len(row) != 3 or not isinstance(row[0], (list, tuple)):
                raise _layout(path, f"a {type(row).__name__} as sample {place}")
            if len(row[0]) not in (3, 4):
                raise _layout(path, f"{len(row[0])} features in sample {place}")
        for place, row in enumerate(rows):
            yield split, _parse(row, path, id_text(row[2]) or f"sample {place}")


def _layout(path: Path, received: str) -> ValueError:
    return ValueError(
        f"The pickle is not laid out like MISA's. Expected lists of ((words, visual, acoustic[, actual words]), label, "
        f"segment), alone or in a dict by fold. Received: {received} ({path}). Check the file or name its --format."
    )


def _parse(row: Sequence, path: Path, id: str) -> _Sample:
    (words, visual, acoustic, *actual), label, raw_id = row
    where = f"{path}, {id}"
    features = {"audio": _matrix(acoustic, "audio", where), "video": _matrix(visual, "video", where)}
    steps = {name: len(array) for name, array in features.items()}
    for name, value in (("words", words), *(("actual words", value) for value in actual)):
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise _layout(path, f"{name} as {type(value).__name__} in {id}")
        steps[name] = len(value)
    if isinstance(words, np.ndarray) and words.ndim == 2 and words.dtype.kind == "f":
        features["text"] = _matrix(words, "text", where)
    numbers = _numbers(label, "label", where).reshape(-1)
    treated: Counter = Counter()
    found, is_spoken = read_words(_cells(actual[0] if actual else words), treated)
    lower = tuple(word.lower() for word in found)
    return _Sample(raw_id, features, lower, is_spoken, treated, steps, _first(numbers))


def _first(numbers: np.ndarray) -> float | None:
    # MOSEI's label has seven numbers, of which the first is the sentiment.
    return float(numbers[0]) if numbers.size else None


def _cells(words: Sequence) -> list:
    """The words if they are text, some perhaps missing; nothing where they are numbers of words, or vectors."""
    cells = words.tolist() if isinstance(words, np.ndarray) else list(words)
    has_text = any(is_text(cell) for cell in cells) and all(is_text(cell) or is_missing(cell) for cell in cells)
    return cells if has_text else []


def _matrix(value: object, name: str, where: str) -> np.ndarray:
    array = _numbers(value, name, where)
    if array.size == 0:
        return np.zeros((0, 0), np.float32)
    if array.ndim != 2:
        raise ValueError(
            f"A modality is no matrix. Expected {name} of shape (steps, dim). Received: shape={array.shape} ({where}). "
            f"Check the file or name its --format."
        )
    return array


def _numbers(value: object, name: str, where: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            return np.asarray([] if value is None else value).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The values of {name} are no numbers. Expected an array of numbers. "
            f"Received: {name}={type(value).__name__} ({where}). Check the file or name its --format."
        ) from error
