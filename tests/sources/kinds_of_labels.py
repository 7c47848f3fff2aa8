"""Kinds of labels: outliers, other scales, one value only, what float32 cannot hold, and a stated range."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np

from mmtrans.sources.labels import ANY_LABEL
from tests.sources.format_files import d1, dump, truth
from tests.sources.kinds import PICKLES, WRITE, Kinds, Row, pickled
from tfrecords.schema import LabelScale

MOSI = (-3.0, 3.0, 0.0)


def _kind(
    change: Callable[[str, float], float],
    scale: tuple[float, float, float],
    *,
    not_finite: int = 1,
    options: Mapping[str, object] | None = None,
) -> dict[str, Row]:
    """What every format makes of labels that are changed, each by its split and its value so far; one is NaN."""

    def of_format(format: str) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            segments = truth()
            for segment in segments:
                segment.label = change(segment.split, segment.label)
            with np.errstate(over="ignore"):
                return WRITE[format](folder, segments)

        return write

    def check(corpus, segments) -> None:
        assert corpus.label == LabelScale("sentiment", *scale)
        with np.errstate(over="ignore"):
            labels = [np.float32(change(s.split, s.label)) for s in truth() if not np.isnan(s.label)]
        found = {segment.label for segment in segments.values() if segment.label is not None}
        finite = {float(label) for label in labels if np.isfinite(label)}
        assert {np.float32(label) for label in found} == {np.float32(label) for label in finite}
        # An empty cell of a table is no label, and no damaged one.
        damaged = not_finite - (corpus.format == "neutral")
        assert corpus.cleaning["labels: not finite, kept without a label"] == damaged

    return {format: Row(of_format(format), check=check, options=options or {}) for format in WRITE}


def _columns(count: int) -> dict[str, Callable[[Path], Path]]:
    """Writers of the common corpus with so many label columns, each one greater than the one before it."""

    def widen(values: object) -> np.ndarray:
        return np.reshape(values, (-1, 1)) + np.arange(count)

    def of_pickle(format: str) -> Callable[[Path], Path]:
        key = "label" if format == "lmf" else "labels"
        return pickled(format, lambda parts: parts.update({key: widen(parts[key])}))

    def misa(folder: Path) -> Path:
        path = WRITE["misa"](folder)
        content = pickle.loads(path.read_bytes())
        wide = {
            split: [(features, widen(label), id) for features, label, id in rows] for split, rows in content.items()
        }
        return dump(path, wide)

    def csd(folder: Path) -> Path:
        WRITE["csd"](folder)
        with h5py.File(folder / "labels.csd", "r+") as file:
            for entry in file["Opinion Segment Labels/data"].values():
                values = widen(entry["features"][()])
                del entry["features"]
                entry["features"] = values
        return folder

    pickles = {format: of_pickle(format) for format in ("mult", "multibench", "lmf")}
    return {**pickles, "misa": misa, "csd": csd, "mfn": lambda folder: d1(folder, columns=count)}


def _has_labels(shift: float | None, scale: LabelScale | None = None, *, is_noted: bool = False) -> Callable:
    """Whether labels are those of one column, and the scale; `None` where nobody reads them."""

    def check(corpus, segments) -> None:
        assert len(segments) == 7
        guesses = [note for note in corpus.notes if "have no names and are taken for MOSEI's: column" in note]
        assert len(guesses) == is_noted
        if shift is not None:
            found = sorted(segment.label for segment in segments.values() if segment.label is not None)
            np.testing.assert_allclose(found, np.add([-3, -0.5, 0, 1.8, 2.5, 3], shift), rtol=1e-6)
            assert corpus.label == scale

    return check


def _of_columns(count: int, **row: object) -> dict[str, Row | str]:
    return {**{format: Row(write, **row) for format, write in _columns(count).items()}, **_ONE_LABEL}


def _as_text(spell: Callable[[float], str], **row: object) -> dict[str, Row | str]:
    """Entries of the formats whose labels may be text, each spelled so."""

    def spelled(values: object) -> np.ndarray:
        array = np.asarray(values)
        return np.array([spell(float(value)) for value in array.reshape(-1)], object).reshape(array.shape)

    def of_pickle(format: str) -> Row:
        key = {"lmf": "label", "mmsa": "regression_labels"}.get(format, "labels")
        return Row(pickled(format, lambda parts: parts.update({key: spelled(parts[key])})), **row)

    def misa(folder: Path) -> Path:
        path = WRITE["misa"](folder)
        content = pickle.loads(path.read_bytes())
        return dump(path, {k: [(x, spelled(label), id) for x, label, id in rows] for k, rows in content.items()})

    def neutral(folder: Path) -> Path:
        WRITE["neutral"](folder)
        table = folder / "segments.csv"
        header, *lines = table.read_text(encoding="utf-8").splitlines()
        cells = [line.split(",") for line in lines]
        cells = [[id, split, spell(float(label)) if label else "", words] for id, split, label, words in cells]
        table.write_text("\n".join([header, *map(",".join, cells)]), encoding="utf-8")
        return folder

    numbers = dict.fromkeys(("csd", "mfn"), "Labels are numbers of HDF5.")
    pickles = {format: of_pickle(format) for format in PICKLES}
    return {**pickles, "misa": Row(misa, **row), "neutral": Row(neutral, **row), **numbers}


_ONE_LABEL = {"mmsa": "The labels of its files have names.", "neutral": "The table has one column of labels."}

KINDS: Kinds = {
    "several label columns without names": _of_columns(3, refused=r"no such label column.*'0', '1', '2'.*--label\.$"),
    "several label columns of which one is chosen": _of_columns(
        3, options={"label": "1", "label_range": (-2, 4)}, check=_has_labels(1, LabelScale("1", -2, 4, 0))
    ),
    "several label columns of which none is read": _of_columns(
        3, options={"label": ANY_LABEL}, check=_has_labels(None)
    ),
    "as many label columns as MOSEI's, without names": _of_columns(
        7, check=_has_labels(0, LabelScale("sentiment", *MOSI), is_noted=True)
    ),
    "one of as many label columns as MOSEI's": _of_columns(
        7,
        options={"label": 4, "label_range": (1, 7, 5)},
        check=_has_labels(4, LabelScale("surprise", 1, 7, 5), is_noted=True),
    ),
    "labels that nobody reads": {
        format: Row(write, options={"label": ANY_LABEL}, check=_has_labels(None)) for format, write in WRITE.items()
    },
    "an outlier among sentiments": _kind(lambda split, label: 11 / 3 if label == 2.5 else label, MOSI),
    "labels of one sign": _kind(lambda split, label: abs(label) + 1, (1.0, 4.0, 2.5)),
    "classes 0 and 1": _kind(lambda split, label: label if np.isnan(label) else float(label > 0), (0.0, 1.0, 0.5)),
    "labels of one value": _kind(lambda split, label: label * 0 + 5, (4.0, 6.0, 5.0)),
    "labels of one value on MOSI's scale": _kind(lambda split, label: label * 0 - 1.5, MOSI),
    "labels that are text": _as_text(
        lambda label: f" {label:+.1f}", check=_has_labels(0, LabelScale("sentiment", *MOSI))
    ),
    "labels that only Python takes for numbers": _as_text(lambda label: "1_0", refused=r"Received: \S*label"),
    "labels in other digits": _as_text(lambda label: "\u0663", refused=r"Received: \S*label"),
    "labels beyond float32": _kind(
        lambda split, label: {1.8: 1e39, -0.5: -1e308}.get(label, label), MOSI, not_finite=3
    ),
    "a stated range": _kind(lambda split, label: label + 7, (0.0, 12.0, 5.0), options={"label_range": (0, 12, 5)}),
    "a stated range that is none": {
        format: Row(
            WRITE[format],
            refused=r"range of the label is not understood.*LOW under HIGH.*label_range=5\.0, 1\.0",
            options={"label_range": (5, 1)},
        )
        for format in WRITE
    },
}
