"""What an evaluation writes, split by split: `metrics.json` and `predictions.csv`; and the directory they go to."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mmtrans.data.records import Records
from mmtrans.evaluation.predictions import Predictions
from mmtrans.evaluation.shapes import (
    COLUMNS,
    REMEDY,
    EnsembleResult,
    Origin,
    PretrainedResult,
    SentimentResult,
    read_splits,
)
from mmtrans.runs.run import Run
from mmtrans.system.files import check_directory, write_atomically
from tfrecords.stored import read_csv

#: In a run directory: results of other records than the run's own, in a directory named by the hash of their manifest.
OTHER_RECORDS = "other-records"

#: Digits of a manifest's hash that are shown to people.
SHOWN = 12

#: All that an evaluation leaves in a directory of its own.
_NAMES = {"metrics.json", "predictions.csv", "robustness.json", "robustness.csv", "plots", "logs"}


def place_of(run: Run, records: Records, out: str | Path | None = None) -> Path:
    """The directory that results of a run go to: `out`, or the run's own, or of other records one within it."""
    if out is not None:
        return Path(out)
    own = records.manifest.manifest_hash == run.manifest_hash
    return run.path if own else run.path / OTHER_RECORDS / records.manifest.manifest_hash[:SHOWN]


def check_results_place(place: Path, is_same: Callable[[Origin], bool]) -> None:
    """Raises a ValueError where a directory cannot be written to, or holds anything but results of the same.

    Args:
        place: the directory, which need not be there.
        is_same: whether a split's object in metrics.json or robustness.json is of the same models and records.
    """
    check_directory(place, "--out")
    if not place.exists():
        return
    # What a kill left has no metrics.json yet, and hidden files that are not whole.
    foreign = {path.name for path in place.iterdir() if not path.name.startswith(".")} - _NAMES
    found = [read_splits(place / name, Origin) for name in ("metrics.json", "robustness.json")]
    if foreign or not all(is_same(result) for splits in found for result in splits.values()):
        raise ValueError(
            f"The directory holds something else. Expected a new one, or results of the same runs and records. "
            f"Received: out={place}. Choose another --out."
        )


def save_results(place: Path, split: str, predictions: Predictions, result: SentimentResult | EnsembleResult) -> None:
    """Adds a split to `predictions.csv` and `metrics.json` of a directory, which it makes."""
    place.mkdir(parents=True, exist_ok=True)
    metrics = read_splits(place / "metrics.json", dict)
    _save_predictions(place / "predictions.csv", split, predictions)
    write_atomically(place / "metrics.json", json_text({**metrics, split: result}))


def save_metrics(place: Path, split: str, result: PretrainedResult) -> None:
    """Adds a split to `metrics.json` of a directory, which it makes."""
    place.mkdir(parents=True, exist_ok=True)
    metrics = read_splits(place / "metrics.json", dict)
    write_atomically(place / "metrics.json", json_text({**metrics, split: result}))


def json_text(results: Mapping[str, object]) -> str:
    """Results as the text of a file."""
    return json.dumps(results, indent=2, allow_nan=False)


def csv_text(rows: Iterable[Sequence]) -> str:
    """Rows as the text of a file, whatever the cells hold."""
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    # A lone carriage return ends a line to a reader, and is not quoted by every version of Python.
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        (quoted if any("\r" in str(cell) for cell in row) else plain).writerow(row)
    return text.getvalue()


def _save_predictions(path: Path, split: str, predictions: Predictions) -> None:
    old = read_csv(path, COLUMNS, REMEDY) if path.is_file() else []
    rows = [[row[name] for name in COLUMNS] for row in old if row["split"] != split]
    columns = zip(predictions.ids, predictions.videos, predictions.labels, predictions.scores, strict=True)
    rows += [[split, id_, video, f"{label:.6g}", f"{score:.8g}"] for id_, video, label, score in columns]
    write_atomically(path, csv_text([list(COLUMNS), *rows]))
