"""Kinds of texts that hold the numbers of tokens, as BERT and its like read them, where vectors belong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.sources.format_files import d1, dump, truth
from tests.sources.kinds import PICKLES, TEXT, WRITE, Kinds, Row, pickled


def _no_text(corpus, segments) -> None:
    assert "text" not in corpus.aligned
    assert all("text" not in segment.features for segment in segments.values())
    assert any("holds the numbers of tokens, and no vectors: no text modality." in note for note in corpus.notes)


#: How many of ids, mask and kinds there are, and the axis that they are stacked on.
PARTS = {"triple": (3, 1), "pair": (2, 1), "columns": (3, 2), "two columns": (2, 2)}


def _ids(shape: str) -> Callable[[int], np.ndarray]:
    """`n` → numbers of tokens of n segments, 50 each, of which the last are padding where the shape says so."""
    rng = np.random.default_rng(3)

    def make(n: int) -> np.ndarray:
        ids = rng.integers(0, 30522, (n, 50))
        if shape in PARTS:
            count, axis = PARTS[shape]
            return np.stack([ids, np.ones_like(ids), np.zeros_like(ids)][:count], axis=axis)
        if shape == "padded":
            ids[:, -2:] = -1, -100
        return ids

    return make


def _pickled_ids(format: str, shape: str) -> Row:
    make = _ids(shape)

    def change(parts: dict) -> None:
        parts.pop("text_bert", None)
        parts[TEXT[format]] = make(len(parts[TEXT[format]]))

    return Row(pickled(format, change), check=_no_text)


def _d1_ids(shape: str) -> Row:
    make = _ids(shape)

    def write(folder: Path) -> Path:
        d1(folder)
        for path in folder.glob("text_*.h5"):
            with h5py.File(path, "r+") as file:
                n = len(file["d1"])
                del file["d1"]
                file["d1"] = make(n).astype(float)
        return folder

    return Row(write, check=_no_text)


def _neutral_ids(shape: str) -> Row:
    make = _ids(shape)

    def write(folder: Path) -> Path:
        WRITE["neutral"](folder)
        np.savez(folder / "text.npz", **{s.id: np.atleast_2d(make(1)[0]) for s in truth()})
        return folder

    return Row(write, check=_no_text)


def _csd_ids(shape: str) -> Row:
    make = _ids(shape)

    def write(folder: Path) -> Path:
        WRITE["csd"](folder)
        with h5py.File(folder / "text.csd", "r+") as file:
            (root,) = file
            for entry in file[root]["data"].values():
                count, ids = len(entry["features"]), make(1)[0]
                del entry["features"]
                entry["features"] = ids.reshape(50, -1)[-count:]
        return folder

    return Row(write, check=_no_text)


def _all_ids(shape: str) -> dict[str, Row | str]:
    return {
        **{format: _pickled_ids(format, shape) for format in PICKLES},
        "mfn": _d1_ids(shape),
        "neutral": _neutral_ids(shape),
        "misa": "Its first part is one row a word, and no matrix of its own.",
    }


def _misa_ids(shape: str) -> Row:
    """The numbers of the words as a column of floats, where others have vectors."""

    def write(folder: Path) -> Path:
        path = WRITE["misa"](folder)
        content = pickle.loads(path.read_bytes())
        for rows in content.values():
            for place, ((_, *others), label, id) in enumerate(rows):
                ids = _ids(shape)(1)[0, -len(others[0]) :, None]
                rows[place] = ((ids.astype(float), *others), label, id)
        return dump(path, content, 4)

    def check(corpus, segments) -> None:
        assert len(segments) == 7
        assert "text" not in corpus.aligned
        assert all("text" not in segment.features for segment in segments.values())

    return Row(write, check=check)


_ONE_ROW = "A sequence of text has one row a time, and no mask beside it."

KINDS: Kinds = {
    "numbers of tokens as text": {**_all_ids("ids"), "csd": _csd_ids("ids"), "misa": _misa_ids("ids")},
    "numbers of tokens that are padded with -1 or -100": {
        **_all_ids("padded"),
        "csd": _csd_ids("padded"),
        "misa": _misa_ids("padded"),
    },
    "BERT's ids, mask and kinds as text": {
        **_all_ids("triple"),
        "csd": _ONE_ROW,
    },
    "RoBERTa's ids and mask as text": {**_all_ids("pair"), "csd": _ONE_ROW},
    "ids, mask and kinds as columns of text": {**_all_ids("columns"), "csd": _csd_ids("columns")},
    "ids and mask as columns of text": {**_all_ids("two columns"), "csd": _csd_ids("two columns")},
}
