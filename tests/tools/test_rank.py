"""Ranks over several comparisons, and the preset that they name."""

import json
import re

import pytest

from mmtrans.config import Config
from mmtrans.config.files import load_preset
from mmtrans.grid.variants import Variant, config_of
from tools.figures.provenance import ROOT
from tools.study.definition import read_study
from tools.study.rank import main, ranks_in

RESULTS = ROOT / "docs" / "results"


def study(path, errors):
    cells = [
        {"row": row, "label_fraction": share, "valid_mae": error}
        for share, of_rows in errors.items()
        for row, error in of_rows.items()
    ]
    path.write_text(json.dumps({"against": "T", "worlds": {"loud": {"cells": cells}}}))
    return path


def folds(path, **errors):
    path.write_text(json.dumps({"ways": {way: {"mae": {"value": error}} for way, error in errors.items()}}))
    return path


def test_each_world_share_and_set_of_folds_is_a_case(tmp_path, capsys):
    few, all_ = {"T": 0.9, "T->A": 0.5, "T->A [both]": 0.7}, {"T": 0.5, "T->A": 0.8, "T->A [both]": 0.4}
    worlds = study(tmp_path / "made.json", {1.0: {**all_, "concat(T,A)": None}, 0.1: {**few, "A->T": 0.1}})
    real, out = folds(tmp_path / "real.json", T=1.0, TA=1.5, both=1.25, concat=0.5), tmp_path / "ranks.json"
    assert main([str(worlds), str(real), "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert {case: {row: each["rank"] for row, each in of.items()} for case, of in found["cases"].items()} == {
        "made: loud, 10 % of the labels": {"T": 3, "T->A": 1, "T->A [both]": 2},
        "made: loud, all labels": {"T": 2, "T->A": 3, "T->A [both]": 1},
        "real": {"T": 1, "T->A": 3, "T->A [both]": 2},
    }
    assert found["cases"]["real"]["T->A [both]"]["error"] == 1.25
    assert found["mean_ranks"] == pytest.approx({"T->A [both]": 5 / 3, "T": 2, "T->A": 7 / 3})
    assert "T->A [both]: mean rank 1.7 of 3 cases" in capsys.readouterr().out


def test_what_cannot_be_ranked_is_refused(tmp_path, capsys):
    out = str(tmp_path / "ranks.json")
    (tmp_path / "other.json").write_text('{"lines": []}')
    assert main([str(tmp_path / "other.json"), "--out", out]) == 2
    assert "The file compares no rows. Expected worlds of tools.study" in capsys.readouterr().err
    one, two = folds(tmp_path / "one.json", T=1.0), folds(tmp_path / "two.json", both=1.0)
    assert main([str(one), str(two), "--out", out]) == 2
    assert "No row is in all cases." in capsys.readouterr().err
    assert main([str(tmp_path / "absent.json"), "--out", out]) == 2


def test_the_ranks_on_the_page_are_those_of_its_evidence():
    kept = json.loads((RESULTS / "ranks.json").read_text())
    files = [ROOT / name for name in re.findall(r"docs/results/\S+\.json(?= )", kept["command"])]
    assert len(files) >= 2
    found = ranks_in(files)
    assert {name: kept[name] for name in found} == found


def test_the_best_preset_is_the_row_with_the_lowest_mean_rank():
    kept = json.loads((RESULTS / "ranks.json").read_text())
    variants = read_study(ROOT / "examples" / "translation_pays.yaml").variants

    def settings(row):
        """What a configuration says of a row: its variant's fields, by the default configuration."""
        variant = re.fullmatch(r"T->A(?: \[(.+)])?", row)
        assert variant is not None, f"{row} translates nothing, and a preset leaves the recipe open"
        made = config_of(Variant("T->A", name=variant[1] or ""), variants, Config()).to_dict()
        return {name: made[name] for name in preset}

    preset = load_preset("best")
    best, *others = kept["mean_ranks"]
    assert kept["mean_ranks"][best] < min(kept["mean_ranks"][row] for row in others)
    assert preset == settings(best)
    assert [row for row in others if row != "T" and settings(row) == preset] == []
