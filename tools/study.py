"""`python -m tools.study FILE.yaml --out DIR`: the same grid in each of several worlds.

FILE says how the synthetic worlds differ, by flags of `mmtrans synthesize`, and what is trained in each: recipes,
variants, controls and shares of the labels as of `mmtrans grid`. Each row is held against the recipe `against`, with
the same labels, by absolute error on test. `DIR/results.json` and `DIR/results.md` have the figures, and `DIR/map.png`
shows in which worlds and with how many labels a row has the lower error. The same command goes on after a kill, in
`--jobs` processes or on a cluster. `examples/translation_pays.yaml` asks when translating speech pays.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mmtrans.cli.main import main as mmtrans
from mmtrans.config.files import dump_yaml, read_yaml
from mmtrans.grid.variants import is_name
from mmtrans.recipe import parse
from mmtrans.report.collect import collect
from mmtrans.system.console import say, warn
from mmtrans.system.files import write_atomically
from tools.study_map import plot_map
from tools.study_results import Results, findings, to_markdown, world_results

#: What a variant says as its `init`, and the directory of that run in each world.
PRETRAINED = "pretrained"


class Pretraining(msgspec.Struct, forbid_unknown_fields=True):
    """A run on unlabelled speech of each world, from which variants start that say `init: pretrained`.

    Args:
        recipe: what it translates.
        synthesize: flags of its corpus, beside those of the world.
    """

    recipe: str
    synthesize: dict[str, Any] = {}


class Study(msgspec.Struct, forbid_unknown_fields=True):
    """What a study's file says.

    Args:
        worlds: name → flags of `mmtrans synthesize`.
        recipes: the rows.
        against: the recipe that the others are held against, one of them.
        synthesize: flags of all worlds.
        seeds: trainings of each row.
        label_fractions: shares of the train labels, beside all of them.
        controls: whether each translation is also run untrained.
        variants: name → fields in which a variant differs; each recipe that they concern is also run so.
        config: what all runs have in common.
        pretrained: the run that variants may start from, if any.
    """

    worlds: dict[str, dict[str, Any]]
    recipes: list[str]
    against: str
    synthesize: dict[str, Any] = {}
    seeds: int = 5
    label_fractions: list[float] = []
    controls: bool = False
    variants: dict[str, dict[str, Any]] = {}
    config: dict[str, Any] = {}
    pretrained: Pretraining | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes and trains what is missing, and writes the results; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.study", description="Trains one grid in several worlds.")
    parser.add_argument("file", metavar="FILE.yaml", type=Path, help="the study: see examples/translation_pays.yaml")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="directory of worlds, grids and results")
    parser.add_argument("--jobs", metavar="N", help="trainings at a time, in processes, as of mmtrans grid")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="or on a dask cluster, as of mmtrans grid")
    options = parser.parse_args(arguments)
    engine = ["--jobs", options.jobs] if options.jobs else []
    engine += ["--scheduler", options.scheduler] if options.scheduler else []
    try:
        study = read_study(options.file)
        worlds = {}
        for name, world in study.worlds.items():
            place = options.out / "worlds" / name
            for command in commands_for(study, {**study.synthesize, **world}, place):
                if code := mmtrans([*command, *(engine if command[0] == "grid" else [])]):
                    return code
            worlds[name] = world_results(collect(place / "grid"), study.against)
            # What is there so far, as the next world may take hours.
            _write(options.out, {"against": study.against, "worlds": worlds})
    except (ValueError, FileNotFoundError) as error:
        warn(str(error))
        return 2
    for sentence in findings({"against": study.against, "worlds": worlds}):
        say(sentence)
    say(f"Results: {options.out / 'results.md'}, {options.out / 'map.png'}.")
    return 0


def read_study(path: Path) -> Study:
    """The study of a YAML file, checked as far as no command checks it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file says something else, names a world so that no directory can be, or holds the rows against
            no row.
    """
    content = read_yaml(path, "study", "study")
    try:
        study = msgspec.convert(content, Study)
    except msgspec.ValidationError as error:
        raise ValueError(
            f"Not a study. Expected worlds, recipes, against, and perhaps others of {list(Study.__struct_fields__)}. "
            f"Received: {error} ({path}). See examples/translation_pays.yaml."
        ) from error
    names = [name for name in study.worlds if not is_name(name)]
    if names or not study.worlds:
        raise ValueError(
            f"A study has worlds, named by letters, digits, dots, hyphens. Received: worlds={names or 'none'} ({path})."
        )
    recipes = [str(parse(recipe)) for recipe in study.recipes]
    if str(parse(study.against)) not in recipes:
        raise ValueError(
            f"The rows are held against no row. Expected one of {recipes}. Received: against={study.against} ({path})."
        )
    return msgspec.structs.replace(study, recipes=recipes, against=str(parse(study.against)))


def commands_for(study: Study, world: Mapping[str, Any], place: Path) -> Iterator[list[str]]:
    """The commands that make a world, its records and its grid, as arguments of `mmtrans`; not for what is there."""
    _check_world(study, world, place)
    yield from _make_records(world, place)
    write_atomically(place / "config.yaml", dump_yaml(study.config))
    config = ["--config", str(place / "config.yaml")]
    if study.pretrained is not None:
        beside = place / "unlabelled"
        yield from _make_records({**world, **study.pretrained.synthesize, "unlabelled": True}, beside)
        run = ["--recipe", study.pretrained.recipe, "--pretrain", "--run", str(place / PRETRAINED)]
        yield ["train", "--data", str(beside / "records"), *run, *config]
    rows = ["--recipes", ",".join(study.recipes), "--seeds", str(study.seeds)]
    if study.variants:
        write_atomically(place / "variants.yaml", dump_yaml(_placed(study.variants, place)))
        rows += ["--variants", str(place / "variants.yaml")]
    if study.label_fractions:
        rows += ["--label-fractions", ",".join(map(str, study.label_fractions))]
    rows += ["--controls"] if study.controls else []
    yield ["grid", "--data", str(place / "records"), "--out", str(place / "grid"), *rows, *config]


def _make_records(world: Mapping[str, Any], place: Path) -> Iterator[list[str]]:
    """The commands that make a corpus and its records in a directory."""
    corpus, records = place / "corpus", place / "records"
    if not records.is_dir():
        if not corpus.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            yield ["synthesize", str(corpus), *_flags(world)]
        yield ["convert", str(corpus), str(records)]


def _flags(fields: Mapping[str, Any]) -> list[str]:
    """`--name value` of each field; of one that is true the name alone, of one that is false nothing."""
    flags: list[str] = []
    for name, value in fields.items():
        flags += [] if value is False else [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return flags


def _check_world(study: Study, world: Mapping[str, Any], place: Path) -> None:
    """Raises a ValueError where a directory is of a world that was made otherwise; else writes down how it is made."""
    made = {"synthesize": dict(world)}
    if study.pretrained is not None:
        made["pretrained"] = msgspec.to_builtins(study.pretrained)
    path = place / "world.yaml"
    if path.is_file():
        before = read_yaml(path, "world", "world")
        changed = sorted(name for name in before.keys() & made.keys() if before[name] != made[name])
        if changed:
            raise ValueError(
                f"The world was made otherwise. Expected {changed[0]}: {before[changed[0]]}. "
                f"Received: {made[changed[0]]} ({place}). Give the world another name, or remove its directory."
            )
        made = {**before, **made}
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dump_yaml(made))


def _placed(variants: Mapping[str, Mapping[str, Any]], place: Path) -> dict[str, dict[str, Any]]:
    """Variants that start from the pre-trained run of a world, in whose directory it is."""
    found = {}
    for name, fields in variants.items():
        placed = {"init": str(place / PRETRAINED)} if fields.get("init") == PRETRAINED else {}
        found[name] = {**fields, **placed}
    return found


def _write(out: Path, results: Results) -> None:
    """Writes `results.json`, `results.md` and `map.png`."""
    write_atomically(out / "results.json", json.dumps(results, indent=1) + "\n")
    write_atomically(out / "results.md", to_markdown(results))
    plot_map(out / "map.png", results)


if __name__ == "__main__":
    sys.exit(main())
