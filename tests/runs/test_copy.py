import os

import pytest

from mmtrans.runs import copy
from mmtrans.runs.copy import copy_run


@pytest.fixture
def run(tmp_path):
    """The outline of a run directory: each file holds its own name."""
    names = [
        *("config.yaml", "environment.json", ".lease", ".config.yaml.partial-1-2-3-4", ".tokens/000001/x"),
        *("phases/1-sentiment-T/phase.json", "phases/1-sentiment-T/best/weights.npz"),
        *("phases/1-sentiment-T/checkpoints/step-00000003/state", "logs/1-sentiment-T/train/events.out"),
        "phases/1-sentiment-T/checkpoints/.step-00000006.partial-1-2-3-4/state",
    ]
    for name in names:
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_text(name)
    return tmp_path / "run"


def files(path):
    return {str(file.relative_to(path)): file.read_text() for file in path.rglob("*") if file.is_file()}


def test_what_is_safe_is_copied_and_what_is_being_made_is_not(run, tmp_path):
    copy_run(run, tmp_path / "new")
    expected = {name for name in files(run) if not any(part.startswith(".") for part in name.split("/"))}
    assert files(tmp_path / "new") == {name: name for name in expected}
    # Of a whole run the weights are linked; events grow where they are.
    with open(run / "logs/1-sentiment-T/train/events.out", "a") as file:
        file.write("more")
    assert (tmp_path / "new/logs/1-sentiment-T/train/events.out").read_text() == "logs/1-sentiment-T/train/events.out"
    weights = "phases/1-sentiment-T/best/weights.npz"
    assert os.path.samefile(run / weights, tmp_path / "new" / weights)


def test_a_phase_that_ends_meanwhile_is_not_finished_with_weights_of_before(run, tmp_path, monkeypatch):
    """Its writer ends the phase, and drops what it went on from, when the first file was copied."""
    phase, link = run / "phases" / "1-sentiment-T", copy.link_file

    def then_ends(source, target):
        link(source, target)
        if phase.joinpath("checkpoints").exists():
            for name in ("best/weights.npz", "phase.json"):
                (phase / "new").write_text("final")
                (phase / "new").rename(phase / name)
            (phase / "checkpoints/step-00000003/state").unlink()
            (phase / "checkpoints/step-00000003").rmdir()

    monkeypatch.setattr(copy, "link_file", then_ends)
    copy_run(run, tmp_path / "new")
    copied = files(tmp_path / "new")
    assert copied["phases/1-sentiment-T/phase.json"] == "phases/1-sentiment-T/phase.json"
    assert copied["phases/1-sentiment-T/best/weights.npz"] == "final"
    assert not any("step-" in name for name in copied)
