"""What a phase says of itself when it is trained to its end, and when it is not."""

import shutil

import pytest

from mmtrans.runs.run import Run
from mmtrans.runs.status import PhaseStatus, parent_weights_hash, read_outcome, read_status


def test_an_ended_phase_tells_its_epochs(translation_run):
    run = Run.open(translation_run)
    for phase in run.phases:
        outcome = read_outcome(run, phase)
        assert read_status(run, phase) == PhaseStatus(phase.key, parent_weights_hash(run, phase), outcome)
        assert (outcome.epochs, outcome.epoch) == (2, 2)


def test_a_phase_that_has_not_ended_is_named(translation_run, tmp_path):
    copy = Run.open(shutil.copytree(translation_run, tmp_path / "run"))
    last = copy.phases[-1]
    (copy.phase_dir(last) / "phase.json").unlink()
    assert read_status(copy, last) is None
    with pytest.raises(ValueError, match=rf"The run is not finished\..*unfinished=\['{last.name}'\]"):
        read_outcome(copy, last)
