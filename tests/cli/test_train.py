import argparse
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from mmtrans.cli.main import main
from mmtrans.cli.train import is_demo
from mmtrans.config import Config
from mmtrans.config.files import load_yaml
from mmtrans.conversion.convert import convert
from mmtrans.system.fence import TOKENS
from mmtrans.system.lease import held
from tests.tfrecords.segments import make_corpus, make_segment
from tfrecords.manifest import Manifest


def refused(argv, capsys, code=2):
    """The one line on stderr of a command that fails."""
    assert main([str(argument) for argument in argv]) == code
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("mmtrans: ")
    return captured.err


def corrupt(path):
    """Flips the byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_run_directory_is_complete(translation_run):
    assert {path.name for path in translation_run.iterdir()} == {
        *("config.yaml", "environment.json", "segments.json", "statistics.npz", "history.csv", "metrics.json"),
        *("predictions.csv", "phases", "logs", "plots", TOKENS),
    }
    phases = sorted((translation_run / "phases").iterdir())
    assert [phase.name for phase in phases] == ["1-translation-T_to_A", "2-sentiment-T_to_A"]
    for phase in phases:
        assert sorted(path.name for path in phase.iterdir()) == ["best", "checkpoints", "phase.json"]
        assert list((translation_run / "logs" / phase.name).glob("events.*"))
    assert list(json.loads((translation_run / "metrics.json").read_text())) == ["valid"]
    assert not list(translation_run.rglob("*partial*"))


def test_the_same_command_prints_the_result_without_training(
    translation_run, records_dir, flags, tmp_path, capsys, monkeypatch
):
    run = tmp_path / "my run"
    shutil.copytree(translation_run, run)
    expected = json.loads((translation_run / "metrics.json").read_text())["valid"]
    monkeypatch.setattr("mmtrans.training.train.fit", lambda *_: pytest.fail("trained"))
    command = ["train", "--data", str(records_dir), "--recipe", " T -> A ", "--run", str(run), *flags]
    assert main([*command, "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert json.loads(last) == expected
    assert any("T->A on the valid split" in line for line in lines)
    assert "Note: valid chose the epoch, so these figures are better than those of new videos." in lines
    limited = next(line for line in lines if "at the limit of" in line)
    ended = [
        phase.parent.name
        for phase in sorted(run.glob("phases/*/phase.json"))
        if '"stopped_by": "epochs"' in phase.read_text()
    ]
    assert limited.startswith(f"Note: {' and '.join(ended)} ended at the limit of ")
    assert f"Next: mmtrans evaluate '{run}'; tensorboard --logdir '{run / 'logs'}'" in "\n".join(lines)


def test_the_second_on_a_run_names_the_first_and_makes_nothing(records_dir, flags, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mmtrans.system.lease.GRACE_SECONDS", 0.1)
    run = tmp_path / "run"
    with held(run):
        message = refused(["train", "--data", records_dir, "--recipe", "T->A", "--run", run, *flags], capsys)
        assert f"Expected one at a time. Received: run={run}, held by process {os.getpid()} on" in message
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_in_a_read_only_place_prints_the_same_result(
    translation_run, records_dir, flags, tmp_path, capsys, monkeypatch
):
    run, access = tmp_path / "run", os.access
    shutil.copytree(translation_run, run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != run and access(path, mode))
    command = ["train", "--data", records_dir, "--recipe", "T->A", "--run", run, *flags]
    with monkeypatch.context() as patch:
        # A lease is a file, too.
        patch.setattr("mmtrans.cli.train.held", None)
        assert main([*map(str, command), "--json"]) == 0
    captured = capsys.readouterr()
    shown, kept = json.loads(captured.out.splitlines()[-1]), json.loads((run / "metrics.json").read_text())["valid"]
    assert {name: shown[name] for name in kept} == kept
    assert captured.err == f"mmtrans: Note: {run} may not be written to: the result is computed anew and not kept.\n"
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert "seed: 0 → 1" in refused([*command, "--seed", "1"], capsys)

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(run))

    # What is still to be trained, more epochs or all of another run, is refused as before.
    monkeypatch.setattr("mmtrans.cli.train.held", refuse)
    assert "The place is read-only." in refused([*command, "--epochs", "3"], capsys)
    (run / "phases" / "2-sentiment-T_to_A" / "phase.json").unlink()
    assert "The place is read-only." in refused(command, capsys)


def test_a_changed_configuration_names_the_fields(translation_run, records_dir, flags, capsys):
    command = ["train", "--data", records_dir, "--recipe", "T->A", "--run", translation_run, *flags]
    before = (translation_run / "config.yaml").read_text()
    assert "Received: cell: 'lstm' → 'gru', seed: 0 → 1 (" in refused(
        [*command, "--seed", "1", "--cell", "gru"], capsys
    )
    assert "--epochs may only grow" in refused([*command, "--epochs", "1"], capsys)
    assert (translation_run / "config.yaml").read_text() == before


def test_training_never_opens_test(records_dir, baseline_flags, tmp_path, capsys):
    records, run = tmp_path / "records", tmp_path / "run"
    shutil.copytree(records_dir, records)
    removed = [path.unlink() or path.name for path in sorted(records.glob("*test*"))]
    assert removed
    assert (
        main(["train", "--data", str(records), "--recipe", "T", "--run", str(run), *baseline_flags, "--epochs", "1"])
        == 0
    )
    capsys.readouterr()
    message = refused(["evaluate", run], capsys)
    assert "A shard is missing." in message
    assert removed[0] in message


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--recipe", "X"], "Not a recipe. Expected one of T, A, V, concat(…), embed(…), tfn(…), "),
        (["--recipe", "embed(T,A)"], "Write 'T->A'."),
        (["--recipe", "V"], "The records have no video."),
        (["--recipe", "T->V"], "The records have no video."),
        (["--units", "0"], "units is out of range. Expected at least 1. Received: units=0."),
        (["--dropout", "nan"], "dropout is out of range."),
        (["--config", "nowhere.yaml"], "There is no configuration file at nowhere.yaml."),
        (["--data", "nowhere"], "No records here."),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(small_dir, tmp_path, capsys, argv, message):
    run = tmp_path / "run"
    assert message in refused(["train", "--data", small_dir, "--run", run, *argv], capsys)
    assert not run.exists()


def test_a_configuration_file_with_unknown_fields(small_dir, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("units: 4\nunit: 5\nalpha: 1\n")
    command = ["train", "--data", small_dir, "--run", tmp_path / "run", "--config", tmp_path / "config.yaml"]
    assert "Received: ['alpha', 'unit']" in refused(command, capsys)
    assert not (tmp_path / "run").exists()


def test_print_config_shows_everything_and_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--recipe", "concat(T, V)", "--units", "5", "--print-config"]) == 0
    fields = yaml.safe_load(capsys.readouterr().out)
    assert fields == Config(recipe="concat(T,V)", units=5).to_sections()
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_shard_is_named(records_dir, baseline_flags, tmp_path, capsys):
    records = tmp_path / "records"
    shutil.copytree(records_dir, records)
    shard = sorted(records.glob("*valid*"))[0]
    corrupt(shard)
    command = ["train", "--data", records, "--recipe", "T", "--run", tmp_path / "run", *baseline_flags]
    message = refused(command, capsys)
    assert message.startswith("mmtrans: A shard is corrupt.")
    assert shard.name in message
    assert "Convert the source again" in message
    assert not (tmp_path / "run").exists()
    # With the shard back in order the same command goes on.
    shutil.copy(records_dir / shard.name, shard)
    assert main([str(argument) for argument in command]) == 0


def test_a_loss_that_is_not_finite_exits_with_1_and_its_step(baseline_flags, tmp_path, capsys):
    segments = [make_segment(i, 3 + i % 5, video=f"v{i % 4}", label=i / 8 - 1) for i in range(16)]
    for segment in segments[:2]:
        segment.features["text"][:] = 3e38
    convert(make_corpus(segments), tmp_path / "records")
    command = ["train", "--data", tmp_path / "records", "--recipe", "T", "--run", tmp_path / "run", *baseline_flags]
    message = refused(command, capsys, code=1)
    assert "The loss is not finite at step 0." in message
    assert not list((tmp_path / "run" / "phases").rglob("step-*"))


def test_the_default_run_directory_is_named_by_recipe_and_configuration(
    small_dir, baseline_flags, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmtrans.training.train.train", lambda *_: None)
    monkeypatch.setattr("mmtrans.evaluation.evaluate.evaluate", lambda *_: pytest.fail("stop here"))
    with pytest.raises(pytest.fail.Exception, match="stop here"):
        main(["train", "--data", str(small_dir), "--recipe", "concat(T,A)", *baseline_flags])
    (run,) = (tmp_path / "runs").iterdir()
    config = Config(**load_yaml(run / "config.yaml"))
    assert run.name == f"concat_T_A-{config.digest(Manifest.load(small_dir).manifest_hash)}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"quiet": True, "json": True}, True),
        ({"data": "r"}, False),
        ({"run": "r"}, False),
        ({"config": "c"}, False),
        ({"preset": "paper"}, False),
        ({"units": 4}, False),
        ({"recipe": "T->A"}, False),
    ],
)
def test_only_a_bare_command_is_the_demonstration(given, expected):
    arguments = {"command": "train", "data": None, "run": None, "preset": None, "config": None, "quiet": False}
    arguments["json"] = False
    assert is_demo(argparse.Namespace(**{**arguments, **given})) is expected


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_goes_on(records_dir, baseline_flags, tmp_path, capsys):
    run = tmp_path / "run"
    command = ["train", "--data", str(records_dir), "--recipe", "T", "--run", str(run), *baseline_flags]
    command += ["--epochs", "5000", "--patience", "5000"]
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-m", "mmtrans.cli.main", *command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        signal.signal(signal.SIGINT, inherited)
        deadline = time.monotonic() + 120
        while not list(run.glob("phases/*/checkpoints/step-*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=180)
        finally:
            process.kill()
    assert process.returncode == 130
    assert (out, err) == ("", "mmtrans: Interrupted. The same command goes on from the last checkpoint.\n")
    assert "The run is not finished." in refused(["evaluate", run], capsys)
    (newest, *_) = sorted(run.glob("phases/*/checkpoints/step-*"), reverse=True)
    epochs = json.loads((newest / "progress.json").read_text())["epoch"]
    monitor = []
    with pytest.MonkeyPatch.context() as patch:

        def stop(self, epoch, batches):
            monitor.append(epoch)
            raise KeyboardInterrupt

        patch.setattr("mmtrans.training.monitor.Monitor.resume", stop)
        assert main(command) == 130
    assert monitor == [epochs]


@pytest.mark.slow
def test_text_beats_the_mean_predictor_on_held_out_data(tmp_path, capsys):
    corpus, records, run = (str(tmp_path / name) for name in ("corpus", "records", "run"))
    assert main(["synthesize", corpus, "--videos", "14"]) == 0
    assert main(["convert", corpus, records]) == 0
    command = ["train", "--data", records, "--recipe", "T", "--run", run, "--regressor-units", "16", "--quiet"]
    assert main([*command, "--epochs", "12", "--learning-rate", "0.01"]) == 0
    assert main(["evaluate", run, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["split"] == "test"
    assert result["mae"] < 0.8 * result["baselines"]["mean"]["mae"]
    assert result["pearson"] > 0.5
    assert not result["collapsed"]
    assert np.isfinite(result["acc2_non0"])


@pytest.mark.slow
def test_an_unlabelled_corpus_is_pre_trained_on_and_another_run_starts_there(
    corpus_dir, records_dir, flags, tmp_path, capsys
):
    corpus, records, before, run = (tmp_path / name for name in ("corpus", "records", "before", "run"))
    assert main(["synthesize", str(corpus), "--videos", "4", "--unlabelled"]) == 0
    assert main(["convert", str(corpus), str(records)]) == 0
    command = ["train", "--data", records, "--recipe", "T->A", "--run", before, *flags]
    assert "or train the translation alone with --pretrain." in refused(command, capsys)
    assert "Received: regressor_units=6 (a pre-training trains no regressor)" in refused(
        [*command, "--pretrain"], capsys
    )
    at = command.index("--regressor-units")
    assert main([*map(str, command[:at] + command[at + 2 :]), "--pretrain", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert list(json.loads(lines[-1])) == ["translation", "records", "left_out"]
    assert any(f"Next: mmtrans train --init {before} --data" in line for line in lines)
    for argv in (["predict", before, corpus_dir], ["export", before, tmp_path / "export"]):
        assert "The run has no sentiment model." in refused(argv, capsys)
    command = ["train", "--data", records_dir, "--recipe", "T->A", "--run", run, "--init", before, *flags]
    assert "Expected units=4 as there. Received: units=5" in refused([*command, "--units", "5"], capsys)
    assert not run.exists()
    command = [str(argument) for argument in [*command, "--freeze", "encoder"]]
    assert main(command) == 0
    shutil.rmtree(before)
    assert main(command) == 0
    assert main(["evaluate", str(run)]) == 0
    weights = [path / "phases" / "1-translation-T_to_A" / "best" / "weights.npz" for path in (run / "init", run)]
    with np.load(weights[0]) as taken, np.load(weights[1]) as kept:
        for name in (name for name in taken.files if name.startswith("representation/")):
            np.testing.assert_array_equal(kept[name], taken[name])
