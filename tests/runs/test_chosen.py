"""For how long a run was trained, as another one is told."""

import json

import pytest

from mmtrans.cli.main import main
from mmtrans.runs.chosen import steps_of
from mmtrans.runs.run import Run
from tests.cli.test_train import refused


def outcome_of(path):
    return json.loads((path / "phases" / "1-sentiment-T" / "phase.json").read_text())


def test_a_run_is_trained_for_as_many_steps_as_another(small_dir, tmp_path, baseline_flags, capsys):
    command = ["train", "--data", str(small_dir), "--recipe", "T", *baseline_flags, "--quiet"]
    assert main([*command, "--run", str(tmp_path / "all")]) == 0
    whole = outcome_of(tmp_path / "all")
    steps = whole["step"] // whole["epoch"] * whole["best_epoch"]
    assert steps_of(tmp_path / "all") == steps > 0
    few = [*command, "--label-fraction", "0.2", "--steps-of", str(tmp_path / "all")]
    assert main([*few, "--run", str(tmp_path / "few")]) == 0
    assert Run.open(tmp_path / "few").config.optimisation.fixed_steps == steps
    found = outcome_of(tmp_path / "few")
    assert (found["stopped_by"], found["step"], found["best_epoch"]) == ("fixed", steps, steps)  # a step an epoch
    assert found["best_loss"] == found["history"][-1]["valid_loss"]
    # The same command finds it finished, also with more epochs.
    before = (tmp_path / "few" / "history.csv").read_bytes()
    assert main([*few, "--run", str(tmp_path / "few"), "--epochs", "99"]) == 0
    assert (tmp_path / "few" / "history.csv").read_bytes() == before
    assert "Two numbers of steps." in refused([*few, "--fixed-steps", "3"], capsys)


def test_a_run_that_does_not_tell_is_refused(tiny, small, small_dir, tmp_path, baseline_flags, capsys):
    command = ["train", "--data", str(small_dir), "--recipe", "T", "--steps-of"]
    assert "No run there." in refused([*command, str(tmp_path)], capsys)
    for name, fields, reason in (("begun", {}, "unfinished"), ("pre", {"recipe": "T->A", "pretrain": True}, "pre-tr")):
        Run.open_or_create(tmp_path / name, tiny(**fields), small)
        with pytest.raises(ValueError, match=rf"does not tell for how long to train\. .*, {reason}"):
            steps_of(tmp_path / name)
    Run.open_or_create(tmp_path / "old", tiny(), small)
    (tmp_path / "old" / "phases" / "1-sentiment-T").mkdir(parents=True)
    told = {"key": "k", "inherited": None, "finished": True, "epochs": 2, "stopped_by": "epochs", "epoch": 2}
    told |= {"best_loss": 0.5, "best_epoch": 1, "history": []}
    (tmp_path / "old" / "phases" / "1-sentiment-T" / "phase.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"A file is damaged\. Expected the number of steps"):
        steps_of(tmp_path / "old")
