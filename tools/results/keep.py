"""Files of figures made from what `mmtrans evaluate` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmtrans.evaluation.metrics import METRICS
from tfrecords.stored import read_json
from tools.figures.ways import SHOWN


def runs_of(places: Mapping[str, Path]) -> dict[str, Any]:
    """What is kept of runs: of each split the metrics with their intervals, and the figures of the translation.

    Args:
        places: name → directory of a run, or one that `mmtrans evaluate --out` wrote.
    """
    metrics = {name: _metrics(place) for name, place in places.items()}
    return {"runs": {name: {split: _kept(each) for split, each in found.items()} for name, found in metrics.items()}}


def ensembles_of(places: Mapping[str, Path]) -> dict[str, Any]:
    """What is kept of ensembles on valid: MAE of each seed, their mean, and the metrics of the ensemble.

    Args:
        places: name → directory that `mmtrans evaluate RUN RUN … --split valid --out` wrote.
    """
    return {"ensembles": {name: _ensemble(_metrics(place)["valid"]) for name, place in places.items()}}


def ceilings_of(truth: Path) -> dict[str, Any]:
    """What is kept of the best that a synthetic world allows on test: scores of each source, and R² of translations.

    Args:
        truth: the file `ground_truth.json` of the world.
    """
    content = read_json(truth, dict[str, Any], "Make the world anew.")
    scores = {source: content[source]["splits"]["test"] for source in ("text", "audio", "video")}
    r2 = {name.replace("->", "_to_"): each["splits"]["test"] for name, each in content["translation"].items()}
    return {"ceilings": {**scores, "translation": r2}}


def _metrics(place: Path) -> Mapping[str, Any]:
    return read_json(place / "metrics.json", dict[str, Any], "Evaluate it.")


def _kept(metrics: Mapping[str, Any]) -> dict[str, Any]:
    names = [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    kept = {name: metrics[name] for name in names if name in metrics}
    kept |= {name: metrics[name] for name in ("segments", "videos", "collapsed")}
    translation = metrics.get("translation") or {}
    return {**kept, "translation": {name: value for name, value in translation.items() if not isinstance(value, dict)}}


def _ensemble(valid: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seeds": {str(member["seed"]): member["mae"] for member in valid["members"]},
        "mean": valid["members_mean"]["mae"],
        "ensemble": {name: valid[name] for name in ("mae", "mae_low", "mae_high", *list(SHOWN)[1:])},
    }
