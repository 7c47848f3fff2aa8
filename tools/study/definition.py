"""What a study is: its worlds, and the grid that is trained in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from mmtrans.config.files import read_yaml
from mmtrans.grid.recipes import read_recipes
from mmtrans.grid.variants import is_name
from mmtrans.recipe import parse


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
        recipes: the rows, or the name of a list of `mmtrans grid`.
        against: the recipe that the others are held against, one of them.
        synthesize: flags of all worlds.
        convert: flags of `mmtrans convert` for the records of all worlds.
        seeds: trainings of each row.
        label_fractions: shares of the train labels, beside all of them.
        steps_of_all: whether rows with fewer labels are trained for as many steps as with all of them.
        controls: whether each translation is also run untrained.
        variants: name → fields in which a variant differs; each recipe that they concern is also run so.
        config: what all runs have in common.
        pretrained: the run that variants may start from, if any.
        without: a modality; each row that reads it beside others is scored a second time where test lacks it.
    """

    worlds: dict[str, dict[str, Any]]
    recipes: list[str]
    against: str
    synthesize: dict[str, Any] = {}
    convert: dict[str, Any] = {}
    seeds: int = 5
    label_fractions: list[float] = []
    steps_of_all: bool = False
    controls: bool = False
    variants: dict[str, dict[str, Any]] = {}
    config: dict[str, Any] = {}
    pretrained: Pretraining | None = None
    without: Literal["text", "audio", "video"] | None = None


def read_study(path: Path) -> Study:
    """The study of a YAML file, checked as far as no command checks it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file says something else, names a world so that no directory can be, or holds the rows against
            no row.
    """
    content = read_yaml(path, "study", "study")
    if isinstance(content.get("recipes"), str):
        content = {**content, "recipes": list(read_recipes(content["recipes"]))}
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
