"""The commands that make the worlds of a study, and train in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mmtrans.config.files import dump_yaml, read_yaml
from mmtrans.system.files import write_atomically
from tools.study.definition import Study

#: What a variant says as its `init`, and the directory of that run in each world.
PRETRAINED = "pretrained"


def commands_for(study: Study, world: Mapping[str, Any], place: Path) -> Iterator[list[str]]:
    """The commands that make a world, its records and its grid, as arguments of `mmtrans`; not for what is there."""
    _check_world(study, world, place)
    yield from _make_records(study, world, place)
    write_atomically(place / "config.yaml", dump_yaml(study.config))
    config = ["--config", str(place / "config.yaml")]
    if study.pretrained is not None:
        beside = place / "unlabelled"
        yield from _make_records(study, {**world, **study.pretrained.synthesize, "unlabelled": True}, beside)
        run = ["--recipe", study.pretrained.recipe, "--pretrain", "--run", str(place / PRETRAINED)]
        yield ["train", "--data", str(beside / "records"), *run, *config]
    rows = ["--recipes", ",".join(study.recipes), "--seeds", str(study.seeds)]
    if study.variants:
        write_atomically(place / "variants.yaml", dump_yaml(_placed(study.variants, place)))
        rows += ["--variants", str(place / "variants.yaml")]
    if study.label_fractions:
        rows += ["--label-fractions", ",".join(map(str, study.label_fractions))]
    rows += ["--steps-of-all"] if study.steps_of_all else []
    rows += ["--controls"] if study.controls else []
    yield ["grid", "--data", str(place / "records"), "--out", str(place / "grid"), *rows, *config]


def _make_records(study: Study, world: Mapping[str, Any], place: Path) -> Iterator[list[str]]:
    """The commands that make a corpus and its records in a directory."""
    corpus, records = place / "corpus", place / "records"
    if not records.is_dir():
        if not corpus.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            yield ["synthesize", str(corpus), *_flags(world)]
        yield ["convert", str(corpus), str(records), *_flags(study.convert)]


def _flags(fields: Mapping[str, Any]) -> list[str]:
    """`--name value` of each field; of one that is true the name alone, of one that is false nothing."""
    flags: list[str] = []
    for name, value in fields.items():
        flags += [] if value is False else [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return flags


def _check_world(study: Study, world: Mapping[str, Any], place: Path) -> None:
    """Raises a ValueError where a directory is of a world that was made otherwise; else writes down how it is made."""
    made = {"synthesize": dict(world), "convert": dict(study.convert)}
    if study.pretrained is not None:
        made["pretrained"] = msgspec.to_builtins(study.pretrained)
    path = place / "world.yaml"
    if path.is_file():
        before = {"convert": {}, **read_yaml(path, "world", "world")}  # not every version wrote how records are made
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
