"""What a phase says of itself when it is trained to its end, and when it is not."""

import shutil

import pytest

from mmtrans.runs.run import Run
from mmtrans.runs.status import has_ended, read_finished, read_status


def test_an_ended_phase_tells_its_epochs(translation_run):
    run = Run.open(translation_run)
    for phase in run.phases:
        status = read_finished(run, phase)
        assert has_ended(status)
        assert (status["key"], status["epochs"], status["epoch"]) == (phase.key, 2, 2)


def test_a_phase_that_has_not_ended_is_named(translation_run, tmp_path):
    copy = Run.open(shutil.copytree(translation_run, tmp_path / "run"))
    last = copy.phases[-1]
    (copy.phase_dir(last) / "phase.json").unlink()
    assert not has_ended(read_status(copy, last))
    with pytest.raises(ValueError, match=rf"The run is not finished\..*unfinished=\['{last.name}'\]"):
        read_finished(copy, last)
