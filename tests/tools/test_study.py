"""A study: the one that ships at toy size, its figures against NumPy, and what its file may not say."""

import csv
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from mmtrans.config import Config
from mmtrans.evaluation.shapes import Baselines, Evaluated
from mmtrans.grid.recipes import read_recipes
from mmtrans.grid.variants import Variant, config_of, parse_variants, rows_of
from mmtrans.report.collect import CollectedGrid, Course, Trained
from mmtrans.report.numbers import MINUS
from mmtrans.synthetic.dependencies import DEPENDENCIES
from tfrecords.schema import LabelScale
from tools.study.__main__ import main
from tools.study.commands import commands_for
from tools.study.definition import read_study
from tools.study.map import plot_map
from tools.study.results import findings, mean_ranks, ranks_of, to_markdown, valid_errors, world_results

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "translation_pays.yaml"

OF_MULT = ("fusion_heads", "fusion_layers")

SIZES = dict.fromkeys(("units", "decoder_units", "attention_units", "regressor_units"), 4)


def write(path, **fields):
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    return path


def estimated(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def errors_of(grid, name):
    """Absolute errors on test, in the order of their ids."""
    with open(grid / "runs" / name / "predictions.csv", newline="") as file:
        rows = sorted((row["id"], row) for row in csv.DictReader(file) if row["split"] == "test")
    return np.array([abs(float(row["prediction"]) - float(row["label"])) for _, row in rows])


def test_the_study_that_ships_has_the_rows_of_its_question():
    study = read_study(EXAMPLE)
    config = Config(**study.config)
    variants = parse_variants(study.variants, config, "variants")
    rows = rows_of(study.recipes, study.controls, study.label_fractions, variants, config)
    whole = ["T", "T->A", "concat(T,A)", *(f"T->A [{name}]" for name in variants), "T->A, untrained"]
    few = [f"{row}, {share} % of the labels" for share in (2, 10) for row in whole]
    assert [row.title for row in rows] == [*whole, *few]
    assert list(variants) == ["both", "joint", "joint-both", "pretrained-both"]
    made = config_of(rows[9], variants, config)
    assert (made.plan.label_fraction, made.plan.valid_share) == (0.02, 0.1)


@pytest.mark.slow
def test_the_study_that_ships_runs_at_toy_size(tmp_path, capsys):
    fields = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    fields |= {"worlds": {"small": {"seed": 3}}, "synthesize": {"videos": 6}, "controls": False, "seeds": 1}
    fields |= {"label_fractions": []}
    fields["variants"] = {"pretrained-both": fields["variants"]["pretrained-both"]}
    fields["pretrained"]["synthesize"] = {"videos": 5}
    fields["config"] |= {"epochs": 1, "bidirectional": False, **SIZES}
    file, out = write(tmp_path / "toy.yaml", **fields), tmp_path / "out"
    assert main([str(file), "--out", str(out)]) == 0
    assert "has nowhere a lower error than T by an interval clear of zero" in capsys.readouterr().out
    world, grid = json.loads((out / "results.json").read_text())["worlds"]["small"], out / "worlds/small/grid"
    rows = ["T", "T->A", "concat(T,A)", "T->A [pretrained-both]", "concat(T,A), audio missing"]
    assert [cell["row"] for cell in world["cells"]] == rows
    found = world["cells"][3]
    ours, theirs = (errors_of(grid, f"{name}-seed-0") for name in ("T_to_A+pretrained-both", "T"))
    assert found["mae"]["value"] == pytest.approx(ours.mean(), abs=1e-5)
    valid = json.loads((grid / "runs/T_to_A+pretrained-both-seed-0/metrics.json").read_text())["valid"]["mae"]
    assert found["valid_mae"] == pytest.approx(valid)
    assert world["cells"][2]["valid_mae"] is None
    assert found["difference"]["value"] == pytest.approx(ours.mean() - theirs.mean(), abs=1e-5)
    labels = json.loads((grid / "runs/T-seed-0/environment.json").read_text())["labels"]
    assert (found["train_labels"], found["valid_labels"]) == (labels["train"]["seen"], labels["valid"]["seen"])
    assert (out / "map.png").is_file()
    there, missing = world["cells"][2], world["cells"][4]
    assert missing["mae"]["value"] != there["mae"]["value"]
    of_text = world["cells"][0]["mae"]["value"]
    assert missing["difference"]["value"] == pytest.approx(missing["mae"]["value"] - of_text, abs=1e-6)
    # What is finished is told without anything being trained.
    (out / "results.json").unlink()
    assert main([str(file), "--out", str(out), "--results-only"]) == 0
    content = json.loads((out / "results.json").read_text())
    assert content["worlds"]["small"] == world
    assert content["command"] == "python -m tools.study toy.yaml --out out"
    # What is there is not made again, and another world is no longer this one.
    place = grid.parent
    again = list(commands_for(read_study(file), {"videos": 6, "seed": 3}, place))
    assert [command[0] for command in again] == ["train", "grid"]
    assert again[1][again[1].index("--variants") + 1] == str(place / "variants.yaml")
    write(file, **{**fields, "synthesize": {"videos": 7}})
    assert main([str(file), "--out", str(out)]) == 2
    assert "The world was made otherwise. Expected synthesize: {'videos': 6, 'seed': 3}." in capsys.readouterr().err


def cell(row, share, difference, value=0.5):
    counts = {"train_labels": round(200 * share), "valid_labels": round(40 * share), "seeds": 2}
    return {"row": row, "label_fraction": share, **counts, "mae": estimated(value), "difference": difference}


FOUND = {
    "against": "T",
    "worlds": {
        name: {
            "split": "test",
            "segments": 99,
            "videos": 14,
            "ceilings": {"text": 0.7},
            "cells": [cell("T", share, None) for share in (0.1, 1.0)]
            + [
                cell("T->A", 0.1, estimated(shift + 0.02, shift, shift + 0.04)),
                cell("T->A", 1.0, estimated(0.3, 0.2, 0.4)),
                cell("A->T", 1.0, estimated(-0.01, -0.05, 0.03)),
            ],
        }
        for name, shift in (("weak", 0.01), ("strong", -0.09))
    },
}


def test_findings_tell_where_a_row_is_better_or_how_near_it_comes():
    assert [sentence.replace(MINUS, "-") for sentence in findings(FOUND)] == [
        "T->A has a lower error than T, by an interval clear of zero, in 1 of 4 cases, and a higher one in 3: strong "
        "with 10 % of the labels.",
        "A->T has nowhere a lower error than T by an interval clear of zero, and a higher one in 0 of 2 cases; at best "
        "-.010 [-.050, .030] in weak with all labels.",
    ]


def test_a_table_has_a_row_a_row_and_a_pair_of_columns_a_share():
    lines = to_markdown(FOUND).replace(MINUS, "-").splitlines()
    start = lines.index("## strong")
    assert lines[start + 2] == "test split: 99 segments of 14 videos."
    assert lines[start + 4] == (
        "|  | 10 % of the labels: 20 of train, 4 of valid | against T | all labels: 200 of train, 40 of valid | "
        "against T |"
    )
    assert lines[start + 7] == "| T->A | .500 | -.070 [-.090, -.050] | .500 | .300 [.200, .400] |"
    assert lines[start + 8] == "| A->T |  |  | .500 | -.010 [-.050, .030] |"


def test_ranks_are_of_the_errors_on_valid_of_rows_that_are_everywhere():
    assert mean_ranks(valid_errors(FOUND)) == {}
    errors = {
        "a": {"T": 0.5, "T->A": 0.4, "joint": 0.6, "concat(T,A)": None},
        "b": {"T": 0.7, "T->A": 0.9, "joint": 0.6},
    }
    errors["c"] = {"T": 0.3, "T->A": 0.2, "joint": 0.2, "T->V": 0.1}
    worlds = {
        name: {
            "split": "test",
            "segments": 9,
            "videos": 3,
            "cells": [cell(r, 1.0, None) | {"valid_mae": e} for r, e in of.items()],
        }
        for name, of in errors.items()
    }
    cases = valid_errors({"against": "T", "worlds": worlds})
    assert ranks_of(cases)["c, all labels"] == {"T": 3, "T->A": 1, "joint": 1}
    found = mean_ranks(cases)
    assert found == pytest.approx({"T->A": 5 / 3, "joint": 5 / 3, "T": 7 / 3})
    assert list(found)[-1] == "T"
    assert ", T 2.3." in to_markdown({"against": "T", "worlds": worlds})


def test_rows_are_ranked_that_read_the_same_modalities_whatever_joins_them(tmp_path):
    figures = dict.fromkeys(Evaluated.__required_keys__, 0.5)
    baselines = dict.fromkeys(Baselines.__required_keys__, figures)
    valid = {**figures, "collapsed": False, "baselines": baselines}
    (tmp_path / "metrics.json").write_text(json.dumps({"valid": valid}), encoding="utf-8")
    ids, videos, labels = ("a[0]", "b[0]"), ("a", "b"), np.array([-1.0, 1.0])
    course = Course(tmp_path, 0, (), {})

    def trained(recipe):
        return Trained(Variant(recipe), (0,), ids, videos, labels, labels[None], (), (), (course,))

    rows = [trained(recipe) for recipe in ("late(T,A)", "concat(T,A)", "tfn(A,T)", "T", "tfn(T,A,V)")]
    scale, description = LabelScale("sentiment", -3.0, 3.0, 0.0), {"metric_split": "test"}
    grid = CollectedGrid(Path(), description, scale, (), {row.variant: row for row in rows}, {}, ())
    found = {cell["row"]: cell["valid_mae"] for cell in world_results(grid, "late(T,A)")["cells"]}
    assert found == {"late(T,A)": 0.5, "concat(T,A)": 0.5, "tfn(A,T)": 0.5, "T": None, "tfn(T,A,V)": None}


def test_rows_are_compared_on_the_seeds_that_both_have():
    videos = tuple(f"v{number // 2}" for number in range(30))
    ids, labels = tuple(f"{video}[{number}]" for number, video in enumerate(videos)), np.zeros(30)

    def trained(recipe, errors):
        predictions = np.array([np.full(30, error) for error in errors.values()])
        return Trained(Variant(recipe), tuple(errors), ids, videos, labels, predictions, (), (), ())

    rows = [trained("T", {0: 0.25, 1: 0.5, 2: 1.0}), trained("T->A", {1: 0.75, 2: 0.5}), trained("A->T", {2: 0.75})]
    scale, description = LabelScale("sentiment", -3.0, 3.0, 0.0), {"metric_split": "test"}
    grid = CollectedGrid(Path(), description, scale, (), {row.variant: row for row in rows}, {}, ())
    world = world_results(grid, "T")
    found = {cell["row"]: cell["difference"] for cell in world["cells"]}
    assert found["T->A"]["value"] == pytest.approx(0.625 - 0.75)
    assert found["T->A"]["low"] < found["T->A"]["value"] < found["T->A"]["high"]
    assert found["A->T"] == estimated(pytest.approx(0.75 - 1.0))
    table = to_markdown({"against": "T", "worlds": {"w": world}})
    assert "| A->T | .750 [.750, .750], 1 of 3 seeds | " in table
    assert "| T | .583 " in table


def test_the_map_is_drawn_where_cells_are_missing(tmp_path):
    plot_map(tmp_path / "map.png", FOUND)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


GOOD = {"worlds": {"a": {}}, "recipes": ["T", "T->A"], "against": "T"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--worlds", "a,b"], "names what the study has not. Expected some of ['a']. Received: worlds=b. Correct"),
        (["--results-only"], "Nothing is finished yet. Expected trained rows. Received: out="),
    ],
)
def test_flags_that_ask_for_what_is_not_there_are_refused(tmp_path, capsys, flags, message):
    file = write(tmp_path / "good.yaml", **GOOD)
    assert main([str(file), "--out", str(tmp_path / "out"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recipe": "T"}, r"Not a study\. Expected worlds, .*unknown field `recipe`.*study\.yaml\)\. See examples"),
        ({"seeds": "five"}, r"Not a study\. .*Expected `int`, got `str`"),
        ({"worlds": {}}, r"A study has worlds, .*Received: worlds=none"),
        ({"worlds": {"a/b": {}}}, r"A study has worlds, .*Received: worlds=\['a/b'\]"),
        ({"against": "A"}, r"held against no row\. Expected one of \['T', 'T->A'\]\. Received: against=A"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path, fields, message):
    assert read_study(write(tmp_path / "good.yaml", **GOOD)).recipes == ["T", "T->A"]
    with pytest.raises(ValueError, match=message):
        read_study(write(tmp_path / "study.yaml", **{**GOOD, **fields}))


def test_a_table_ends_with_what_readers_can_reach():
    lines = to_markdown(FOUND).splitlines()
    assert lines[-2:] == ["", "Least MAE that the equations allow, by reader: text .700."]


RIVALS = EXAMPLE.with_name("rivals.yaml")


def test_the_study_of_rivals_has_all_of_them_in_worlds_of_every_dependency():
    study = read_study(RIVALS)
    assert study.recipes == list(read_recipes("rivals"))
    assert {world["dependency"] for world in study.worlds.values()} == set(DEPENDENCIES)
    Config(**study.config)


def test_the_study_of_mult_has_the_worlds_and_sizes_of_all_rivals():
    study, whole = read_study(EXAMPLE.with_name("rivals_mult.yaml")), read_study(RIVALS)
    assert (study.worlds, study.synthesize, study.seeds) == (whole.worlds, whole.synthesize, whole.seeds)
    # Neither of its rows reads the other one.
    assert study.config == {name: value for name, value in whole.config.items() if name != "fused_units"}


def test_the_study_of_unaligned_rivals_converts_its_world_by_windows(tmp_path):
    study = read_study(EXAMPLE.with_name("rivals_unaligned.yaml"))
    assert study.recipes == [name for name in read_recipes("rivals-unaligned") if name not in ("T", "V")]
    of_steps = ("epochs", "patience")
    assert {**study.config, **dict.fromkeys(of_steps)} == {**read_study(RIVALS).config, **dict.fromkeys(of_steps)}
    world = study.worlds["long-range"]
    commands = {command[0]: command for command in commands_for(study, world, tmp_path / "place")}
    assert commands["convert"][-2:] == ["--window", "0.1"]
    aligned = msgspec.structs.replace(study, convert={})
    with pytest.raises(ValueError, match=r"made otherwise\. Expected convert: \{'window': 0\.1\}\. Received: \{\}"):
        list(commands_for(aligned, world, tmp_path / "place"))


@pytest.mark.slow
def test_the_study_of_rivals_runs_at_toy_size(tmp_path):
    fields = yaml.safe_load(RIVALS.read_text(encoding="utf-8"))
    fields |= {"worlds": {"long-range": fields["worlds"]["long-range"]}, "synthesize": {"videos": 4}, "seeds": 1}
    fields |= {"recipes": ["T", "tfn(T,A)", "late(T,A)"], "against": "late(T,A)"}
    fields["config"] |= {"epochs": 1, "bidirectional": False, "regressor_units": 3, "fused_units": 4}
    # No row reads those.
    fields["config"] = {name: value for name, value in fields["config"].items() if name not in OF_MULT}
    file, out = write(tmp_path / "toy.yaml", **fields), tmp_path / "out"
    assert main([str(file), "--out", str(out)]) == 0
    world = json.loads((out / "results.json").read_text())["worlds"]["long-range"]
    assert [cell["row"] for cell in world["cells"]] == ["T", "tfn(T,A)", "late(T,A)"]
    truth = json.loads((out / "worlds/long-range/corpus/ground_truth.json").read_text())
    assert world["ceilings"]["text"] == truth["text"]["splits"]["test"]["mae"]
    assert world["ceilings"]["best"] == truth["readers"]["best"]["splits"]["test"]["mae"] < 0.5
    assert "Least MAE that the equations allow, by reader: text" in (out / "results.md").read_text()
