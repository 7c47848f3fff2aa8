"""Rows that read several modalities, scored where all segments lack one of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmtrans.evaluation.robustness import score_without
from mmtrans.evaluation.suitability import open_records
from mmtrans.report.collect import CollectedGrid, Trained
from mmtrans.runs.run import Run
from mmtrans.system.files import write_atomically
from tools.study.results import title_of


def rows_without(grid: CollectedGrid, modality: str, place: Path) -> list[tuple[str, Trained]]:
    """Rows that read a modality beside others, by their titles, with their scores where the segments lack it.

    Args:
        grid: what was trained in a world.
        modality: what is missing.
        place: directory of the scores, a file a run; those that are there are not made again.
    """
    split, rows = grid.description["metric_split"], list[tuple[str, Trained]]()
    for variant, trained in grid.trained.items():
        read = trained.recipe.inputs.modalities
        if modality in read and len(read) > 1:
            scores = [_scores(course.path, split, modality, place) for course in trained.courses]
            predictions = np.array([[found[id_] for id_ in trained.ids] for found in scores])
            rows.append((f"{title_of(variant)}, {modality} missing", replace(trained, predictions=predictions)))
    return rows


def _scores(path: Path, split: str, modality: str, place: Path) -> dict[str, float]:
    """Scores of a run."""
    file = place / f"{path.name}.json"
    if not file.is_file():
        run = Run.open(path)
        scores = score_without(run, open_records(run, splits=(split,)), split, modality)
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(scores) + "\n")
    return json.loads(file.read_text(encoding="utf-8"))
