import pytest

from mmtrans.cli.engine import SCHEDULER, add_engine_flags, engine_options
from mmtrans.cli.main import main
from mmtrans.cli.parser import Parser
from mmtrans.engine.options import EngineOptions


@pytest.fixture
def options(monkeypatch):
    """`options(*argv)`: what the flags ask for, where no variable names a scheduler."""
    monkeypatch.delenv(SCHEDULER, raising=False)
    parser = Parser(prog="command")
    add_engine_flags(parser, "trainings")
    return lambda *argv: engine_options(parser.parse_args(argv))


def test_one_job_in_this_process_is_the_default(options):
    assert options() == EngineOptions(1)
    assert options().is_here
    assert not options("--jobs", "3").is_here


def test_a_scheduler_is_named_by_the_flag_or_by_the_environment_and_jobs_come_before_that(options, monkeypatch):
    assert options("--scheduler", "tcp://a:1", "--resources", "GPU=1, disk=.5") == EngineOptions(
        scheduler="tcp://a:1", resources={"GPU": 1.0, "disk": 0.5}
    )
    monkeypatch.setenv(SCHEDULER, "tcp://b:2")
    assert options() == EngineOptions(scheduler="tcp://b:2")
    assert options("--scheduler", "tcp://a:1") == EngineOptions(scheduler="tcp://a:1")
    assert options("--jobs", "1") == EngineOptions(1)


@pytest.mark.parametrize("text", ["GPU", "GPU=", "=1", "GPU=0", "GPU=nan", "GPU=1,"])
def test_resources_that_make_no_sense_are_refused(options, text, capsys):
    with pytest.raises((SystemExit, ValueError)) as error:
        options("--resources", text)
    assert f"expected NAME=X,NAME=X as of GPU=1, received {text!r}" in capsys.readouterr().err + str(error.value)


def test_bad_combinations_and_absent_schedulers_are_one_line_and_leave_nothing(small_dir, tmp_path, capsys):
    (tmp_path / "rows").write_text("T\n")
    command = ["grid", "--data", str(small_dir), "--out", str(tmp_path / "out"), "--recipes", str(tmp_path / "rows")]
    assert main([*command, "--jobs", "2", "--scheduler", "tcp://a:1"]) == 2
    assert "Expected --jobs or a scheduler, not both." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
