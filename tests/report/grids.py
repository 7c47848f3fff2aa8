"""Grid directories as `mmtrans grid` leaves them, with invented predictions."""

import csv
import json

import numpy as np
import yaml

from mmtrans.evaluation.metrics import is_collapsed, sentiment_metrics, trivial_baselines
from mmtrans.recipe import parse, slug
from mmtrans.report.collect import expected_variants
from tfrecords.schema import LabelScale

SCALE = LabelScale("sentiment", -3.0, 3.0, 0.0)
HASH = "ab" * 32

#: The corpus of the paper, as a run tells it.
MOSI = {
    "format": "csd",
    "folds": "official MOSI folds",
    "splits": {
        "train": {"segments": 1284, "videos": 52},
        "valid": {"segments": 229, "videos": 10},
        "test": {"segments": 686, "videos": 31},
    },
}


def describe(recipes, seeds=(0, 1), controls=False, fractions=(), split="test", variants=None):
    """The content of grid.json."""
    return {
        "records": "records",
        "manifest_hash": HASH,
        "recipes": list(recipes),
        "seeds": list(seeds),
        "controls": controls,
        "label_fractions": list(fractions),
        **({"variants": variants} if variants else {}),
        "config": {"units": 64, "epochs": 60},
        "versions": {"mmtrans": "0.1.0", "python": "3.11", "tensorflow": "2.21", "keras": "3.15", "numpy": "2.0"},
        "metric_split": split,
    }


def segments(num_videos=12, per_video=5, seed=0):
    """Ids, videos and labels in fifths; segments of a video resemble each other."""
    rng = np.random.default_rng(seed)
    videos = [f"v{i:02}" for i in range(num_videos) for _ in range(per_video)]
    ids = [f"{video}[{i}]" for i, video in enumerate(videos)]
    labels = np.repeat(rng.normal(0, 1, num_videos), per_video) + rng.normal(0, 1.2, len(videos))
    return ids, videos, np.clip(np.round(labels * 5) / 5, -3, 3)


def write_run(path, variant, seed, data, scores, split="test", manifest_hash=HASH, **fields):
    """An evaluated run directory, as far as a report reads it."""
    ids, videos, labels = data
    path.mkdir(parents=True)
    config = {"recipe": variant.recipe, "seed": seed}
    config |= {"untrained": variant.untrained, "label_fraction": variant.label_fraction, **fields}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    label = {"name": SCALE.name, "low": SCALE.low, "high": SCALE.high, "neutral": SCALE.neutral}
    environment = {"records": "records", "manifest_hash": manifest_hash}
    environment["data"] = {"label": label, "max_steps": {}, "modalities": {}, "corpus": MOSI}
    (path / "environment.json").write_text(json.dumps(environment))
    result = sentiment_metrics(scores, labels, SCALE)
    result |= {"collapsed": is_collapsed(scores, labels, SCALE), "baselines": trivial_baselines(labels, labels, SCALE)}
    if "->" in variant.recipe:
        figures = {"r2": 0.4, "source_shuffled_r2": -0.4, "teacher_forced_r2": 0.5, "copy_last_r2": -0.1}
        result["translation"] = figures
    (path / "metrics.json").write_text(json.dumps({split: result}))
    with open(path / "predictions.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "id", "video_id", "label", "prediction"])
        writer.writerow(["other", "x[0]", "x", "0", "0"])
        writer.writerows(zip([split] * len(ids), ids, videos, labels, scores, strict=True))


def write_robustness(path, areas, split="test"):
    """Curves of MAE in a run; `areas` holds modality → `(clean, area)`, or `None` where the run does not read it."""
    curves = {
        kind: {
            modality: {
                "read": area is not None,
                "levels": [0.0, 1.0],
                "metrics": {"mae": [(area or (9, 9))[0], (area or (9, 9))[1] + place]},
                "area": {"mae": (area or (9, 9))[1] + place},
            }
            for modality, area in areas.items()
        }
        for place, kind in enumerate(("missing", "dropped", "noise", "shuffled"))
    }
    (path / "robustness.json").write_text(json.dumps({split: {"curves": curves}}))


def write_grid(path, description, data, noise, skip=()):
    """A grid directory. `noise(variant)` is the deviation of a variant's predictions from the labels; `skip` holds
    `(variant, seed)` of runs that are not there."""
    path.mkdir(parents=True)
    (path / "grid.json").write_text(json.dumps(description))
    for variant in expected_variants(description):
        for seed in description["seeds"]:
            if (variant, seed) in skip:
                continue
            rng = np.random.default_rng([seed, *map(ord, str(variant).replace(", name=''", ""))])
            scores = data[2] * 0.8 + rng.normal(0, noise(variant), len(data[2]))
            name = (
                f"{slug(parse(variant.recipe))}-{variant.untrained}-{variant.label_fraction}{variant.name}-seed-{seed}"
            )
            fields = description["variants"][variant.name] if variant.name else {}
            write_run(path / "runs" / name, variant, seed, data, scores, description["metric_split"], **fields)
    return path
