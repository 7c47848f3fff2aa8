"""The samples of MISA's and MAG's pickles in our names, each with the fold that its file or key tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Account
from mmtrans.sources.cleaning import to_float32
from mmtrans.sources.ids import id_text, split_name
from mmtrans.sources.modalities import has_several_widths
from mmtrans.sources.numerals import to_numbers
from mmtrans.sources.untrusted.unpickle import load_pickle
from mmtrans.sources.words import is_missing, is_text, read_words


@dataclass(frozen=True)
class Sample:
    """One tuple of a file, in our names.

    Attributes:
        raw_id: id of the segment, as the file spells it.
        features: modality → `(steps, dim)` numbers as the file has it, NaN included; `(0, 0)` where it lacks it.
        ragged: modalities whose steps have different widths, which `features` lacks.
        words: the actual words in lower case, if there are any, silence among them.
        spoken: `(steps,)` bool, which words are spoken.
        account: what was found about the words, to be counted where the sample becomes a segment.
        steps: name in the file → number of steps, of which those that are not 0 should all be one.
        labels: the numbers of the label, which may be none; NaN as the file has it.
    """

    raw_id: object
    features: dict[str, np.ndarray]
    ragged: tuple[str, ...]
    words: tuple[str, ...]
    spoken: np.ndarray
    account: Account
    steps: dict[str, int]
    labels: tuple[float, ...]


def samples_of(path: Path, content: object = None) -> Iterator[tuple[str | None, Sample]]:
    """Yields the samples of a file and their folds, `None` where nothing tells them.

    Args:
        path: the file.
        content: the content of the file, where it has been unpickled already.

    Raises:
        ValueError: the file is no pickle of data, or is not laid out like this.
    """
    content = load_pickle(path) if content is None else content
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


def _parse(row: Sequence, path: Path, id: str) -> Sample:
    (words, visual, acoustic, *actual), label, raw_id = row
    where = f"{path}, {id}"
    words, *actual = ([] if is_missing(part) else part for part in (words, *actual))
    parts = {"audio": acoustic, "video": visual, **({"text": words} if _are_vectors(words) else {})}
    ragged = tuple(name for name, value in parts.items() if has_several_widths(value))
    features = {name: _matrix(value, name, where) for name, value in parts.items() if name not in ragged}
    steps = {name: len(parts[name] if name in ragged else features[name]) for name in ("audio", "video")}
    for name, value in (("words", words), *(("actual words", value) for value in actual)):
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise _layout(path, f"{name} as {type(value).__name__} in {id}")
        steps[name] = len(value)
    labels = tuple(to_float32(_numbers(label, "label", where).reshape(1, -1))[0][0].tolist())
    account = Account()
    found, is_spoken = read_words(_cells(actual[0] if actual else words), account)
    lower = tuple(word.lower() for word in found)
    return Sample(raw_id, features, ragged, lower, is_spoken, account, steps, labels)


def _cells(words: Sequence | np.ndarray) -> list:
    """The words if they are text, some perhaps missing; nothing where they are numbers of words, or vectors."""
    cells = words.tolist() if isinstance(words, np.ndarray) else list(words)
    has_text = any(is_text(cell) for cell in cells) and all(is_text(cell) or is_missing(cell) for cell in cells)
    return cells if has_text else []


def _are_vectors(words: Sequence | np.ndarray) -> bool:
    """Whether the words are vectors, in an array or one by one: whole numbers, or one column, are numbers of words."""
    if not isinstance(words, np.ndarray) or words.dtype.kind == "O":
        try:
            words = np.asarray(words.tolist() if isinstance(words, np.ndarray) else words)
        except (ValueError, OverflowError):
            return has_several_widths(words) and all(np.asarray(word).dtype.kind == "f" for word in words)
    return words.ndim == 2 and words.shape[1] > 1 and words.dtype.kind == "f"


def _matrix(value: object, name: str, where: str) -> np.ndarray:
    array = _numbers(None if is_missing(value) else value, name, where)
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
        return to_numbers([] if value is None else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"The values of {name} are no numbers. Expected an array of numbers. "
            f"Received: {name}={type(value).__name__} ({where}). Check the file or name its --format."
        ) from error
