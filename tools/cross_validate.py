"""`python -m tools.cross_validate --out DIR --way NAME=RECORDS[:CONFIG.yaml] …`: ways to train, compared on folds.

The videos of train and valid are parted into folds, the same for all ways. Each fold is scored once by models that were
trained on the others, one of which stops the training. The scores of all folds are put together. Those of several seeds
are averaged, and those of several ways by `--mix NAME=WAY,WAY`, where `WAY.0` is the way's seed 0 alone. Then the ways
are compared on the same segments, by video. `DIR/results.json` and `DIR/results.md` hold the figures. The same command
goes on after a kill. The test split of the records is never read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmtrans.config import Config
from mmtrans.config.files import load_yaml
from mmtrans.conversion.refold import refold
from mmtrans.data.records import Records
from mmtrans.evaluation.metrics import sentiment_metrics
from mmtrans.evaluation.predictions import predict_split
from mmtrans.evaluation.uncertainty.bootstrap import bootstrap_intervals
from mmtrans.evaluation.uncertainty.seeds import compare_seeds
from mmtrans.runs.run import Run
from mmtrans.search.folds import fold_videos
from mmtrans.system.files import write_atomically
from mmtrans.system.quiet import silent_stderr
from mmtrans.training.process import forget_models, graphs_released, set_up_tensorflow
from mmtrans.training.train import train
from tfrecords.schema import LabelScale, video_of
from tools.figures.provenance import command_of, provenance
from tools.figures.ways import SHOWN, ways_lines

#: In a run: id of each segment of its test split → label and score.
_SCORES = "scores.json"


@dataclass(frozen=True)
class Way:
    """A way to train.

    Args:
        name: what it is called.
        records: directory of its records.
        config: a YAML file, or `None` for the defaults.
    """

    name: str
    records: Path
    config: Path | None


@dataclass(frozen=True)
class Scores:
    """What one way, or a mix of some, gives the segments of all folds.

    Args:
        members: models whose scores are averaged for each segment.
        predictions: `(segments,)` their mean.
        absolute: `(segments,)` its absolute error.
    """

    members: int
    predictions: np.ndarray
    absolute: np.ndarray


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains what is missing, scores and compares; returns the exit code."""
    options = _parse(arguments)
    with silent_stderr():
        set_up_tensorflow(None)
    try:
        ways = [_way(text) for text in options.way]
        seeds = _seeds(options.seeds, [way.name for way in ways])
        mixes = dict(_mix(text, seeds) for text in options.mix)
        against = options.against or ways[0].name
        if against not in {*seeds, *mixes}:
            raise ValueError(f"Unknown way. Expected one of {[*seeds, *mixes]}. Received: against={against}.")
        scale, folds = _folds(ways, options.folds)
        scored = {way.name: [_train(way, folds, options.out, seed) for seed in range(seeds[way.name])] for way in ways}
        labels, scores = _join(scored, mixes)
    except (ValueError, FileNotFoundError) as error:
        print(f"cross_validate: {error}", file=sys.stderr)
        return 2
    results = {**provenance(command_of("tools.cross_validate", arguments)), **_results(labels, scores, scale, against)}
    options.out.mkdir(parents=True, exist_ok=True)
    write_atomically(options.out / "results.json", json.dumps(results, indent=1) + "\n")
    write_atomically(options.out / "results.md", (text := _table(results)))
    print(text, end="")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    description = "Compares ways to train on the same folds by video."
    parser = argparse.ArgumentParser(prog="python -m tools.cross_validate", description=description)
    several = {"action": "append", "default": []}
    parser.add_argument("--out", type=Path, required=True, help="directory of records, runs and results")
    parser.add_argument("--way", **several, metavar="NAME=RECORDS[:CONFIG]", help="records and how they are trained on")
    parser.add_argument("--mix", **several, metavar="NAME=WAY,WAY", help="ways whose scores are averaged")
    parser.add_argument("--against", metavar="NAME", help="what the others are compared with (default: the first way)")
    parser.add_argument("--folds", type=int, default=5, help="number of folds, at least 3 (default: 5)")
    parser.add_argument("--seeds", default="1", metavar="N[,WAY=N]", help="models of each way and fold (default: 1)")
    options = parser.parse_args(arguments)
    if not options.way:
        parser.error("name at least one --way")
    return options


def _way(text: str) -> Way:
    name, _, places = text.partition("=")
    records, _, config = places.partition(":")
    if not (name.isidentifier() and records):
        raise ValueError(f"Not a way to train. Expected NAME=RECORDS or NAME=RECORDS:CONFIG.yaml. Received: {text}.")
    return Way(name, Path(records), Path(config) if config else None)


def _seeds(text: str, names: Sequence[str]) -> dict[str, int]:
    """Way → number of its models for each fold."""
    first, *others = text.split(",")
    stated = {name: number for name, _, number in (other.partition("=") for other in others)}
    seeds = {**dict.fromkeys(names, first), **stated}
    if set(stated) - set(names) or not all(number.isdecimal() and int(number) for number in seeds.values()):
        raise ValueError(f"Not numbers of seeds. Expected N or N,WAY=N with ways of {list(names)}. Received: {text}.")
    return {name: int(number) for name, number in seeds.items()}


def _mix(text: str, seeds: Mapping[str, int]) -> tuple[str, tuple[str, ...]]:
    name, _, listed = text.partition("=")
    parts = tuple(listed.split(","))
    known = {*seeds, *(f"{way}.{seed}" for way, number in seeds.items() for seed in range(number))}
    if not name.isidentifier() or not set(parts) <= known or name in known:
        raise ValueError(f"Not a mix of ways. Expected NAME=WAY,WAY of {sorted(known)}. Received: {text}.")
    return name, parts


def _folds(ways: Sequence[Way], number: int) -> tuple[LabelScale, list[set[str]]]:
    """The label's scale, and the videos of each fold: those of the first way's records, which the others must have."""
    if number < 3:
        raise ValueError(f"Too few folds. Expected some to train, one to stop and one to score. Received: {number}.")
    opened = [Records.open(way.records, ("train", "valid")) for way in ways]
    folds = fold_videos(opened[0], number)
    for way, records in zip(ways, opened, strict=True):
        if set().union(*fold_videos(records, number)) != set().union(*folds):
            raise ValueError(f"Ways must have the same videos. Received: {way.records} beside {ways[0].records}.")
    return opened[0].manifest.label, folds


def _train(way: Way, folds: Sequence[set[str]], out: Path, seed: int) -> dict[str, tuple[float, float]]:
    """Id of a segment → its label and its score by the model that did not see its fold."""
    scores: dict[str, tuple[float, float]] = {}
    fields = load_yaml(way.config) if way.config else {"recipe": "T"}
    config = Config(**{**fields, "seed": seed})
    for number, test in enumerate(folds):
        place = out / "records" / way.name / str(number)
        refold(way.records, folds[(number + 1) % len(folds)], place, test)
        forget_models()
        run = Run.open_or_create(out / "runs" / way.name / f"fold{number}-seed{seed}", config, Records.open(place))
        if not (run.path / _SCORES).is_file():
            with graphs_released():
                train(run, Records.open(place, ("train", "valid")), quiet=True)
                predictions = predict_split(run, Records.open(place, ("test",)), "test")
            labels, found = predictions.labels.tolist(), predictions.scores.tolist()
            table = dict(zip(predictions.ids, zip(labels, found, strict=True), strict=True))
            write_atomically(run.path / _SCORES, json.dumps(table, indent=0) + "\n")
        scores |= {id_: (label, score) for id_, (label, score) in json.loads((run.path / _SCORES).read_text()).items()}
        print(f"{way.name}, fold {number}, seed {seed}: {len(scores)} segments so far.", flush=True)
    return scores


def _join(
    scored: Mapping[str, Sequence[Mapping[str, tuple[float, float]]]], mixes: Mapping[str, Sequence[str]]
) -> tuple[dict[str, float], dict[str, Scores]]:
    """Id → label of the segments that all have, and name → scores of ways and mixes."""
    first = next(iter(scored.values()))[0]
    ids = sorted(set(first).intersection(*(set(one) for of_way in scored.values() for one in of_way)))
    labels = np.array([first[id_][0] for id_ in ids])
    by_way = {name: np.array([[one[id_][1] for id_ in ids] for one in of_way]) for name, of_way in scored.items()}
    parts_of = by_way | {
        f"{name}.{seed}": rows[seed : seed + 1] for name, rows in by_way.items() for seed in range(len(rows))
    }
    rows = by_way | {name: np.concatenate([parts_of[part] for part in parts]) for name, parts in mixes.items()}
    scores = {name: Scores(len(each), mean := each.mean(axis=0), np.abs(mean - labels)) for name, each in rows.items()}
    return dict(zip(ids, labels.tolist(), strict=True)), scores


def _results(labels: Mapping[str, float], scores: Mapping[str, Scores], scale: LabelScale, against: str) -> dict:
    videos = [video_of(id_) for id_ in labels]
    true = np.array(list(labels.values()))
    ways = {}
    for name, each in scores.items():
        intervals = bootstrap_intervals(each.predictions, true, videos, scale)
        metrics = sentiment_metrics(each.predictions, true, scale)
        difference = compare_seeds(each.absolute[None], scores[against].absolute[None], videos)
        ways[name] = {
            "members": each.members,
            **{metric: {"value": metrics[metric], "interval": intervals[metric]} for metric in SHOWN},
            "mae_difference": vars(difference) if name != against else None,
        }
    return {"segments": len(labels), "videos": len(set(videos)), "against": against, "ways": ways}


def _table(results: Mapping) -> str:
    return f"{results['segments']} segments of {results['videos']} videos.\n\n" + "\n".join(ways_lines(results)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
