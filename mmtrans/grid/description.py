"""`grid.json` and `failures.json`: what a grid directory was made to hold, and what failed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec

from mmtrans.bounds import MOST_WHOLE
from mmtrans.config.files import known_fields
from mmtrans.grid.variants import is_name
from mmtrans.recipe import parse
from mmtrans.system.paths import spelled
from tfrecords.stored import damage, read_json, shown

REMEDY = "Copy the grid anew from where it is whole, or make it again in a new directory."

#: A number that makes draws differ.
Seed = Annotated[int, msgspec.Meta(ge=0, le=MOST_WHOLE)]


class _Always(TypedDict):
    records: str
    manifest_hash: str
    recipes: list[str]
    seeds: list[Seed]
    controls: bool
    label_fractions: list[Annotated[float, msgspec.Meta(ge=0.01, le=1.0)]]
    config: dict[str, Any]
    versions: dict[str, str]
    metric_split: Literal["train", "valid", "test"]


class GridDescription(_Always, total=False):
    """The content of `grid.json`; grids of the first releases have no `variants`, `inits` and `steps_of_all`.

    Attributes:
        records: directory of the records.
        manifest_hash: SHA-256 of their manifest.
        recipes: the recipes, as they are spelled in reports.
        seeds: seeds of each row.
        controls: whether each translation is also run untrained, and beside the features that it reads.
        label_fractions: shares of the train labels, under 1, with which every row is also run.
        variants: name → fields of the configuration in which the runs of a variant differ.
        inits: directory of a run that runs start from (`--init`) → hash of its translations.
        config: fields of the configuration that all runs have in common → value.
        versions: package → its version when the grid's command was last given.
        metric_split: the last split that each run is evaluated on, of which reports are.
        steps_of_all: whether rows with fewer labels are trained for as many steps as the same rows with all labels.
    """

    variants: dict[str, dict[str, Any]]
    inits: dict[str, str]
    steps_of_all: bool


class Failure(TypedDict):
    """Why a run of a grid failed.

    Attributes:
        reason: the error, one line.
        log: the log to read, relative to the grid's directory.
    """

    reason: str
    log: str


def read_description(grid: Path) -> GridDescription | None:
    """The content of a grid's `grid.json`, its fields as `Config` has them, or `None` where there is none.

    Raises:
        ValueError: the file is damaged, or made by a later version with fields that this one does not know.
    """
    path = grid / "grid.json"
    if not path.is_file():
        return None
    description = read_json(path, GridDescription, REMEDY)
    for recipe in description["recipes"]:
        try:
            parse(recipe)
        except ValueError as error:
            raise damage(path, "recipes", str(error), REMEDY) from error
    variants = description.get("variants", {})
    for name in variants:
        if not is_name(name):
            raise damage(path, "variants named by letters, digits, dots, hyphens", shown(name), REMEDY)
    return {
        **description,
        "config": known_fields(description["config"], str(path)),
        "variants": {name: known_fields(fields, f"variant {name}, {path}") for name, fields in variants.items()},
        "inits": {spelled(init): init_hash for init, init_hash in description.get("inits", {}).items()},
    }


def read_failures(grid: Path) -> dict[str, Failure]:
    """Run → its failure in a grid's `failures.json`; empty where there is none.

    Raises:
        ValueError: the file is damaged.
    """
    path = grid / "failures.json"
    remedy = "Delete it, and give the same `mmtrans grid` command again."
    return read_json(path, dict[str, Failure], remedy) if path.is_file() else {}
