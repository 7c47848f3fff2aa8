"""Files of figures are made of what `mmtrans evaluate` wrote."""

import json

import pytest

from tools.results.__main__ import main
from tools.results.keep import ceilings_of, ensembles_of, runs_of


@pytest.fixture
def evaluated(tmp_path):
    """A directory with `metrics.json`, of a run and of an ensemble."""
    metrics = {"mae": 0.5, "mae_low": 0.25, "mae_high": 0.75, "pearson": 0.75, "acc2_has0": 0.8125, "acc2_non0": 0.875}
    of_all = {"segments": 4, "videos": 2, "collapsed": False, "baselines": {"mean": {"mae": 1.5}}}
    members = [{"seed": 3, "mae": 0.5}, {"seed": 1, "mae": 0.75}]
    translation = {"r2": 0.25, "per_modality": {"audio": {"r2": 0.25}}}
    valid = {**metrics, **of_all, "members": members, "members_mean": {"mae": 0.625}, "translation": translation}
    (tmp_path / "metrics.json").write_text(json.dumps({"valid": valid, "test": {**metrics, **of_all}}))
    return tmp_path


def test_of_a_run_metrics_and_translation_are_kept(evaluated):
    kept = runs_of({"a": evaluated})["runs"]["a"]
    assert kept["valid"]["translation"] == {"r2": 0.25}
    assert kept["test"] == {
        **{"mae": 0.5, "mae_low": 0.25, "mae_high": 0.75, "pearson": 0.75, "acc2_has0": 0.8125, "acc2_non0": 0.875},
        **{"segments": 4, "videos": 2, "collapsed": False, "translation": {}},
    }


def test_of_an_ensemble_the_seeds_are_kept(evaluated):
    assert ensembles_of({"a": evaluated})["ensembles"]["a"] == {
        "seeds": {"3": 0.5, "1": 0.75},
        "mean": 0.625,
        "ensemble": {
            **{"mae": 0.5, "mae_low": 0.25, "mae_high": 0.75},
            **{"pearson": 0.75, "acc2_has0": 0.8125, "acc2_non0": 0.875},
        },
    }


def test_of_a_world_the_ceilings_of_test_are_kept(tmp_path):
    splits = {"splits": {"test": {"mae": 0.5}, "train": {"mae": 0.25}}}
    truth = {**dict.fromkeys(("text", "audio", "video"), splits), "translation": {"T->A": {"splits": {"test": 0.75}}}}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert ceilings_of(tmp_path / "truth.json")["ceilings"] == {
        **{source: {"mae": 0.5} for source in ("text", "audio", "video")},
        "translation": {"T_to_A": 0.75},
    }


def test_the_command_keeps_a_file_and_writes_the_pages(evaluated, tmp_path):
    (tmp_path / "docs" / "results").mkdir(parents=True)
    page = tmp_path / "docs" / "page.md"
    page.write_text("MAE ?<!-- a.json runs/a/test/mae 2 -->.\n")
    (tmp_path / "README.md").write_text("")
    given = [f"a={evaluated}", "--keep", "a.json", "--command", "mmtrans evaluate a"]
    assert main(given, root=tmp_path) == 0
    assert page.read_text() == "MAE .50<!-- a.json runs/a/test/mae 2 -->.\n"
    kept = json.loads((tmp_path / "docs" / "results" / "a.json").read_text())
    assert (kept["command"], kept["runs"]["a"]["test"]["mae"]) == ("mmtrans evaluate a", 0.5)
