"""Robustness of a trained run: every metric as one modality after another is corrupted more and more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records, reporting_corruption
from mmtrans.evaluation.corruptions import LEVELS, SourceModality, corrupt
from mmtrans.evaluation.evaluate import SEED, check_records, notes_on, place_for, provenance_of
from mmtrans.evaluation.metrics import METRICS, sentiment_metrics, trivial_baselines
from mmtrans.evaluation.plots.robustness import plot_robustness
from mmtrans.evaluation.predictions import make_scorer, scored_selection
from mmtrans.evaluation.results import csv_text, json_text
from mmtrans.evaluation.shapes import CurveFigures, Curves, RobustnessResult, read_splits
from mmtrans.evaluation.suitability import unseen
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished
from mmtrans.system.files import write_atomically
from tfrecords.schema import NO_PIECE, video_of

#: The scores without any corruption.
CLEAN = None

#: Corruption, modality and level.
Point = tuple[str, str, float]


def evaluate_robustness(run: Run, records: Records, split: str, out: str | Path | None = None) -> RobustnessResult:
    """Measures the curves of a split, and writes them to `robustness.json`, `robustness.csv` and a plot.

    Args:
        run: a run whose phases are finished.
        records: records opened with this split and train (whose labels make the baseline in the plot), as for
            `evaluate`.
        split: `train`, `valid` or `test`.
        out: the directory of the results, as for `evaluate`.

    Returns:
        the split's object in robustness.json: `records`, `left_out` and `notes` on the records as of `evaluate`;
        `corruption_seed`, `segments`; and `curves`, corruption → modality → `read`, whether the run reads the modality
        at all; `levels` `(11,)`, 0 first; `metrics`, metric → `(11,)` values; and `area`, metric → its mean over the
        levels (the trapezoid rule, divided by the last level), `None` where the metric is undefined at a level.

    Raises:
        ValueError: `evaluate` would refuse the run, the records or the split as well.

    Example:
        ```pycon
        >>> records = api.Records.open("records", splits=("train", "valid"))
        >>> result = api.evaluate_robustness(api.Run.open("run"), records, "valid")
        >>> curve = result["curves"]["noise"]["text"]
        >>> curve["read"], len(curve["levels"])
        (True, 11)
        ```
    """
    check_finished(run)
    check_records(run, records)
    place = place_for(run, records, out)
    chosen = unseen([run], records, split)
    with reporting_corruption(records):
        scores, labels, videos = _score(run, chosen.records, split)
    scale = records.manifest.label
    measured = {point: sentiment_metrics(values, labels, scale) for point, values in scores.items()}
    curves = {
        kind: {modality: _curve(measured, kind, modality) for modality in records.manifest.modalities}
        for kind in LEVELS
    }
    result: RobustnessResult = {
        **provenance_of(run, records, chosen, out),
        "notes": notes_on(chosen, videos),
        "corruption_seed": SEED,
        "segments": len(labels),
        "curves": curves,
    }
    _save(place, split, result)
    constants = trivial_baselines(records.labels("train"), labels, scale).values()
    path = place / "plots" / f"robustness-{split}.png"
    path.parent.mkdir(exist_ok=True)
    plot_robustness(
        path, curves, min(mae for each in constants if (mae := each["mae"]) is not None), f"{run.recipe}, {split}"
    )
    return result


def _score(run: Run, records: Records, split: str) -> tuple[dict[Point | None, np.ndarray], np.ndarray, list[str]]:
    """Scores `(n,)` without corruption (`CLEAN`) and at each `(corruption, modality, level)` that the run would notice,
    labels `(n,)` and videos `(n,)`."""
    scorer, streams = make_scorer(run), _streams(run)
    points = [(kind, modality, level) for kind, levels in LEVELS.items() for modality in streams for level in levels]
    scores, labels, videos = defaultdict(list), [], []
    for batch in _batches(run, records, split):
        scores[CLEAN].append(scorer(batch)["score"].numpy())
        for kind, modality, level in points:
            corrupted = _corrupted(batch, (kind, level), streams[modality])
            scores[kind, modality, level].append(scorer(corrupted)["score"].numpy())
        labels.append(batch["label"])
        videos += [video_of(id_.decode()) for id_ in batch["id"]]
    found = np.concatenate(labels)
    # What has no label was read as a neighbour.
    kept = np.isfinite(found)
    by_point = {point: np.concatenate(parts)[kept] for point, parts in scores.items()}
    return by_point, found[kept], list(compress(videos, kept))


def score_without(run: Run, records: Records, split: str, modality: str) -> dict[str, float]:
    """Id of each labelled segment of a split → its score where the segment lacks one of the modalities that a run
    reads."""
    scorer, stream, scores = make_scorer(run), _streams(run)[modality], dict[str, float]()
    for batch in _batches(run, records, split):
        found = scorer(_corrupted(batch, ("missing", 1.0), stream))["score"].numpy()
        rows = zip(batch["id"], found, np.isfinite(batch["label"]), strict=True)
        scores |= {id_.decode(): float(score) for id_, score, is_labelled in rows if is_labelled}
    return scores


def _corrupted(batch: Mapping[str, Any], corruption: tuple[str, float], stream: SourceModality) -> dict[str, Any]:
    """The batch with one modality of its source corrupted."""
    source, length = batch["source"], batch["source_length"]
    if stream.place is None:
        source, length = corrupt(source, length, batch["id"], corruption, stream, SEED)
    else:
        source, length = source.copy(), length.copy()
        own, steps = source[:, :, stream.columns], length[:, stream.place]
        moved = replace(stream, columns=slice(0, own.shape[-1]))
        own[:], steps[:] = corrupt(own, steps, batch["id"], corruption, moved, SEED)
    return {**batch, "source": source, "source_length": length}


def _batches(run: Run, records: Records, split: str) -> Iterator[dict[str, Any]]:
    """What a run reads of a split to score its labelled segments, see `scored_selection`."""
    size = run.config.optimisation.batch_size
    return make_batches(records, scored_selection(run, split), batch_size=size).as_numpy_iterator()


def _streams(run: Run) -> dict[str, SourceModality]:
    """The modalities that a run reads when it predicts, by their places in its source."""
    statistics, blocks = run.statistics, run.statistics.blocks(run.recipe.inputs)
    streams = {}
    for name, place in blocks.items():
        mean, pieces = statistics.mean[name].copy(), statistics.pieces.columns if statistics.pieces else 0
        pieces = pieces if name == "text" else 0
        mean[:pieces] = NO_PIECE
        apart = list(blocks).index(name) if run.reads_apart else None
        alone = len(blocks) == 1 or apart is not None
        streams[name] = SourceModality(slice(*place), mean, statistics.std[name], alone, pieces, apart)
    return streams


def _curve(measured: Mapping[Point | None, Mapping[str, float | None]], kind: str, modality: str) -> CurveFigures:
    """One curve; what the run does not read it does not notice."""
    at_level = [measured.get((kind, modality, level)) for level in LEVELS[kind]]
    found = [measured[CLEAN], *(point or measured[CLEAN] for point in at_level)]
    levels, metrics = [0.0, *LEVELS[kind]], {name: [point[name] for point in found] for name in METRICS}
    area = {name: normalized_area(levels, values) for name, values in metrics.items()}
    return {"read": None not in at_level, "levels": levels, "metrics": metrics, "area": area}


def normalized_area(levels: list[float], values: list[float | None]) -> float | None:
    """Mean height of a curve: the area under its trapezoids, divided by the width; `None` where a value is."""
    return None if None in values else float(trapezoid(values, levels) / (levels[-1] - levels[0]))


def _save(place: Path, split: str, result: RobustnessResult) -> None:
    """Puts a split into `robustness.json`, and all of them into `robustness.csv`."""
    place.mkdir(parents=True, exist_ok=True)
    splits = {**read_splits(place / "robustness.json", Curves), split: result}
    rows = [["split", "corruption", "modality", "level", *METRICS]]
    for name, found in splits.items():
        for kind, curves in found["curves"].items():
            for modality, curve in curves.items():
                columns = zip(curve["levels"], *curve["metrics"].values(), strict=True)
                rows += [[name, kind, modality, *row] for row in columns]
    write_atomically(place / "robustness.csv", csv_text(rows))
    write_atomically(place / "robustness.json", json_text(splits))
