"""The page of files tells every file, key and column that commands write."""

import csv
import json
import re

import pytest

from mmtrans import api
from mmtrans.config import FIELDS
from mmtrans.evaluation.metrics import METRICS
from tools.reference.files import files_page

#: What a name in capitals stands for.
CAPITALS = {
    "METRIC": "|".join(METRICS),
    "KIND": "concat|source|untrained|plain|translation|sentiment|joint",
    "OBJECTIVE": "mae",
    "FIELD": "|".join(FIELDS),
    "TERM": "translation|sentiment",
    "KEY": "[0-9a-f]{16}",
    "N+|K": r"\d+",
}
CAPITALS |= dict.fromkeys(("NAME", "ROW", "HASH", "RECIPE"), "[^/]+")

SIZES = {"units": 4, "decoder_units": 4, "attention_units": 4, "regressor_units": 4, "bidirectional": False}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grid(small_dir, tmp_path_factory):
    """The directory of a grid of a translation, its baseline and a variant, with its report."""
    path = tmp_path_factory.mktemp("written") / "grid"
    variants = {"joint": {"objective": "joint"}}
    done = api.grid(small_dir, path, recipes=["T", "T->A"], seeds=1, epochs=1, variants=variants, quiet=True, **SIZES)
    done.report()
    run = api.Run.open(path / "runs" / "T-seed-0")
    api.evaluate_robustness(run, api.Records.open(small_dir, splits=("train", "valid")), "valid")
    return path


@pytest.fixture(scope="module")
def search(small_dir, tmp_path_factory):
    """The directory of a search with folds."""
    path = tmp_path_factory.mktemp("written") / "search"
    space = {"regressor_units": [2, 4]}
    fields = {"recipe": "T", "tuner": "random", "epochs": 1, "bidirectional": False}
    api.tune(small_dir, path, trials=1, folds_cv=2, space=space, quiet=True, **fields)
    return path


def told(title):
    """Patterns of the names that stand in the tables below a heading of the page, by the names."""
    (text,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", files_page(), re.MULTILINE | re.DOTALL)
    return {name: pattern_of(name) for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)}


def pattern_of(name):
    pattern = re.escape(name)
    for capitals, meaning in CAPITALS.items():
        pattern = re.sub(rf"(?<![A-Z])(?:{capitals})(?![A-Z])", lambda _, meaning=meaning: f"(?:{meaning})", pattern)
    # Of a directory all that is in it.
    return re.compile(pattern + ".*" * name.endswith("/"))


def untold(names, *titles):
    """The names that the page does not have below these headings."""
    patterns = [pattern for title in titles for pattern in told(title).values()]
    return [name for name in names if not any(pattern.fullmatch(name) for pattern in patterns)]


def files_of(path):
    """The files of a directory, but for those of commands at work."""
    files = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    return [file for file in files if not file.startswith(".")]


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def columns_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


@pytest.mark.parametrize("run", ["T-seed-0", "T_to_A-seed-0", "T_to_A+joint-seed-0"])
def test_a_runs_files(grid, run):
    path = grid / "runs" / run
    assert untold(files_of(path), "A run") == []
    assert untold(read(path / "segments.json"), "segments.json") == []
    for phase in path.glob("phases/*/phase.json"):
        assert untold(read(phase), "phase.json", "phase.json, once the phase is trained") == []
    for table in ("history.csv", "predictions.csv"):
        assert untold(columns_of(path / table), table) == []


def test_the_files_of_robustness(grid):
    path = grid / "runs" / "T-seed-0"
    (split,) = read(path / "robustness.json").values()
    assert untold(split, "robustness.json: a split") == []
    curves = [curve for curves in split["curves"].values() for curve in curves.values()]
    assert [key for curve in curves for key in untold(curve, "robustness.json: a curve")] == []
    assert untold(columns_of(path / "robustness.csv"), "robustness.csv") == []


def test_a_grids_files(grid):
    assert untold(files_of(grid), "A grid") == []
    assert untold(read(grid / "grid.json"), "grid.json") == []
    columns = columns_of(grid / "report.csv")
    assert untold(columns, "report.csv") == []
    assert [name for name, pattern in told("report.csv").items() if not any(map(pattern.fullmatch, columns))] == []


def test_a_searchs_files(search):
    assert untold(files_of(search), "A search") == []
    assert untold(read(search / "search.json"), "search.json") == []
    trial = read(search / "trials" / "0000" / "trial.json")
    assert untold(trial, "trial.json") == []
    assert [key for score in trial["scores"] for key in untold(score, "trial.json: scores")] == []
    columns = columns_of(search / "trials.csv")
    assert untold(columns, "trials.csv") == []
    assert [name for name, pattern in told("trials.csv").items() if not any(map(pattern.fullmatch, columns))] == []


def test_what_the_page_lacks_is_found():
    assert untold(["mae", "mae_mean", "mae_seed_0", "seeds"], "report.csv") == ["mae", "mae_seed_0"]
    assert untold(["runs/T-seed-0/config.yaml", "runs/T/config.yaml"], "A grid") == ["runs/T/config.yaml"]
