"""The pages' figures are those of the files beside them."""

import json
import re

import pytest

from mmtrans.report.numbers import MINUS
from tools.figures.provenance import ROOT
from tools.results.pages import STALE, draw_maps, pages, read, with_results
from tools.results.tables import table_of

#: What a file of figures says of itself.
ORIGIN = {"command": "python -m tools.x --way 'a b'", "commit": "0000000", "date": "2026-11-27T01:00:00+00:00"}
ORIGIN["hardware"] = {"processor": "P", "cores": 3, "memory_gib": 1.5}

DECIMAL = re.compile(r"(?<![\w.])\.\d+|\b0\.\d+")


@pytest.mark.parametrize("path", list(pages()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_has_the_figures_of_the_files(path):
    text = path.read_text(encoding="utf-8")
    written = with_results(text, path.parent)
    assert written.replace(STALE, "") == text.replace(STALE, ""), "run python -m tools.results"


def test_every_file_tells_its_origin_and_is_on_a_page():
    files = {path.name: read(path) for path in (ROOT / "docs" / "results").glob("*.json")}
    for name, content in files.items():
        assert ORIGIN.keys() <= content.keys(), name
        assert {"processor", "cores", "memory_gib"} <= content["hardware"].keys(), name
    text = "".join(path.read_text(encoding="utf-8") for path in pages())
    assert [name for name in files if name not in text] == []


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_no_figure_is_typed_by_hand(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    # What a file gives: a table below its comment, a figure before one.
    text = re.sub(r"<!-- [^>]* -->\n+(?:\|.*\n)+", "", text)
    text = re.sub(r"\S+<!-- .*? -->", "", text)
    assert DECIMAL.findall(text) == []


@pytest.fixture
def results(tmp_path):
    """A directory of files of figures of each kind."""

    def keep(name, **figures):
        (tmp_path / name).write_text(json.dumps({**ORIGIN, **figures}))

    seeds = {"2": 0.75, "10": 0.5}
    ensemble = {"mae": 0.5, "mae_low": 0.25, "mae_high": 0.75, "pearson": -0.75, "acc2_has0": 0.8125, "acc2_non0": 1.0}
    keep("ensembles.json", ensembles={"two": {"seeds": seeds, "mean": 0.625, "ensemble": ensemble}})
    keep("runs.json", runs={"T->A": {"test": {"mae": 0.5, "translation": {"r2": -0.25}}}})
    keep("lines.json", lines=[{"results": {"cpu_s": 1}}, {"results": {"cpu_s": 2.5, "cpu_s_low": 2, "cpu_s_high": 3}}])
    ratio = {"bench": "x", "against": "y.py", "rounds": 5, "figure": "fast/segments_per_s", "ours": 30.5, "theirs": 20}
    ratio |= {"ratio": 1.5, "ratio_low": 1.25, "ratio_high": 2.0}
    slow = ratio | {"figure": "slow/segments_per_s", "theirs": 15.25, "ratio": 2.0}
    keep("rounds.json", lines=[{"results": {"segments_per_s": 30.5}}, ratio, slow])
    way = {name: {"value": 0.5, "interval": [0.25, 0.75]} for name in ("mae", "pearson", "acc2_has0", "acc2_non0")}
    errors = {"T": {"error": 0.5, "rank": 2}, "T->A": {"error": 0.25, "rank": 1}}
    keep("ranks.json", cases={"few: 2 %": errors}, mean_ranks={"T->A": 1.0, "T": 2.0})
    other = way | {"mae_difference": {"mean": -0.125, "low": -0.25, "high": 0.5}, "members": 2}
    keep("ways.json", against="a", ways={"a": way | {"mae_difference": None, "members": 1}, "b": other})
    return tmp_path


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (
            "ensembles.json",
            [
                "| MAE | seed 2 | seed 10 | mean | ensemble | r | Acc-2 (≥0) | Acc-2 (≠0) |",
                "|---|---|---|---|---|---|---|---|",
                "| two | .750 | .500 | .625 | .500 [.250, .750] | ~.750 | .812 | 1.000 |",
            ],
        ),
        (
            "runs.json test mae translation/r2",
            ["|  | MAE | R² of what is decoded |", "|---|---|---|", "| `T->A` | .500 | ~.250 |"],
        ),
        (
            "lines.json cpu_s",
            ["|  | median | lowest | highest |", "|---|---|---|---|", "| `cpu_s` | 2.5 | 2 | 3 |"],
        ),
        (
            "ranks.json",
            [
                "| MAE (rank) | T | T->A |",
                "|---|---|---|",
                "| few: 2 % | .500 (2) | **.250 (1)** |",
                "| mean rank | 2.0 | **1.0** |",
            ],
        ),
        (
            "rounds.json",
            [
                "|  | ours | `y.py` | ratio [lowest to highest] | rounds |",
                "|---|---|---|---|---|",
                "| `fast/segments_per_s` | 30.5 | 20 | 1.500 [1.250, 2.000] | 5 |",
                "| `slow/segments_per_s` | 30.5 | 15.25 | 2.000 [1.250, 2.000] | 5 |",
            ],
        ),
        (
            "ways.json",
            [
                "|  | models | MAE | r | Acc-2 (≥0) | Acc-2 (≠0) | MAE against a |",
                "|---|---|---|---|---|---|---|",
                "| a | 1 | .500 [.250, .750] | .500 [.250, .750] | .500 [.250, .750] | .500 [.250, .750] |  |",
                "| b | 2 | .500 [.250, .750] | .500 [.250, .750] | .500 [.250, .750] | .500 [.250, .750] | "
                "~.125 [~.250, .500] |",
            ],
        ),
    ],
)
def test_a_table_stands_below_its_comment(results, comment, expected):
    page = f"Before.\n\n<!-- {comment} -->\n\nAfter | it.\n"
    name = comment.split()[0]
    written = [
        *["Before.", "", f"<!-- {comment} -->", "```", "python -m tools.x --way 'a b'", "```", ""],
        *[*expected, "", f"*Commit `0000000`, 2026-11-27, 3 cores of P: [the file](results/{name}).*"],
        *["", "After | it."],
    ]
    (results / "results").mkdir()
    for path in results.glob("*.json"):
        path.rename(results / "results" / path.name)
    once = with_results(page, results, results / "results")
    assert once.splitlines() == [_spaced(line) for line in written]
    assert with_results(once, results, results / "results") == once
    stale = once.replace("*Commit", f"{STALE}*Commit")
    assert with_results(stale, results, results / "results") == once


def _spaced(line):
    """A line with the signs of numbers, and intervals that do not break."""
    return re.sub(r"(\[[^]]*), ", "\\1,\N{NO-BREAK SPACE}", line.replace("~", MINUS))


def test_a_figure_stands_before_its_comment(results):
    page = "An MAE of 3<!-- runs.json runs/T_A/test/mae -->, and .9<!-- lines.json lines/-1/results/cpu_s 1 -->, so."
    (results / "runs.json").write_text(json.dumps({**ORIGIN, "runs": {"T_A": {"test": {"mae": 0.5}}}}))
    assert with_results(page, results, results) == (
        "An MAE of .500<!-- runs.json runs/T_A/test/mae -->, and 2.5<!-- lines.json lines/-1/results/cpu_s 1 -->, so."
    )


def test_maps_that_pages_show_are_drawn_of_their_files(tmp_path):
    docs = tmp_path / "docs"
    for folder in ("results", "pictures"):
        (docs / folder).mkdir(parents=True)
    difference = {"value": -0.125, "low": -0.25, "high": -0.0625}
    cell = {"row": "T->A", "label_fraction": 0.02, "difference": difference}
    for name in ("shown", "hidden"):
        (docs / "results" / f"{name}.json").write_text(
            json.dumps({"against": "T", "worlds": {"loud": {"cells": [cell]}}})
        )
    (tmp_path / "README.md").write_text("No picture.")
    (docs / "page.md").write_text("![A map.](pictures/shown.svg)")
    draw_maps(tmp_path)
    assert [path.name for path in (docs / "pictures").iterdir()] == ["shown.svg"]
    drawn = (docs / "pictures" / "shown.svg").read_text()
    assert all(f">{text}</text>" in drawn for text in ("loud", f"{MINUS}.125", "2 %"))
    draw_maps(tmp_path)
    assert (docs / "pictures" / "shown.svg").read_text() == drawn


def study_cell(row, value, difference=None):
    found = None if difference is None else dict(zip(("value", "low", "high"), difference, strict=True))
    return {"row": row, "mae": {"value": value, "low": value - 0.1, "high": value + 0.1}, "difference": found}


def test_worlds_stand_side_by_side_with_what_can_be_reached():
    worlds = {
        "sum": {"cells": [study_cell("late(T,A)", 0.5), study_cell("tfn(T,A)", 0.6, (0.1, 0.0, 0.2))]},
        "product": {
            "cells": [study_cell("tfn(T,A)", 0.4, (-0.7, -0.8, -0.6)), study_cell("late(T,A)", 1.1)],
            "ceilings": {"best": 0.3},
        },
    }
    lines = table_of({"worlds": worlds, "against": "late(T,A)"}, [])
    assert [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines] == [
        "| MAE | sum | product |",
        "|---|---|---|",
        "| late(T,A) | .500 [.400, .600] | 1.100 [1.000, 1.200] |",
        "| tfn(T,A) | .600 [.500, .700] | **.400 [.300, .500]** |",
        "| *ceiling: best* |  | .300 |",
    ]
