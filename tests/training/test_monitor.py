import io
import re

import pytest
import tensorflow as tf
from rich.console import Console

from mmtrans.training.monitor import Monitor
from mmtrans.training.progress import Progress

ROW = {
    "epoch": 3,
    "loss": 0.5,
    "valid_loss": 0.25,
    "learning_rate": 0.125,
    "gradient_norm": 2.0,
    "segments_per_second": 64.0,
}


def scalars_of(directory):
    """`(step, name) → value` of the events in a directory."""
    found = {}
    for path in directory.glob("events*"):
        for serialized in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(serialized.numpy())
            for value in event.summary.value:
                found[event.step, value.tag] = float(tf.make_ndarray(value.tensor))
    return found


def test_an_epoch_is_one_line_where_stderr_is_no_terminal(tmp_path, capsys):
    with Monitor("translation T->A", 5, 2, tmp_path) as monitor:
        monitor.resume(2)
        monitor.start_epoch()
        monitor.step(7)
        monitor.end_epoch(ROW, best=True)
        monitor.end_epoch({**ROW, "epoch": 4}, best=False)
        monitor.end(Progress(best_loss=0.25, best_epoch=3, epoch=4))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "translation T->A: resumes after epoch 2",
        "translation T->A  epoch 3/5  loss 0.5000  valid 0.2500* 64 segments/s",
        "translation T->A  epoch 4/5  loss 0.5000  valid 0.2500  64 segments/s",
        "translation T->A: best valid loss 0.2500 at epoch 3 of 4",
    ]


def test_quiet_prints_nothing_but_tensorboard_gets_its_scalars(tmp_path, capsys):
    with Monitor("phase", 5, 2, tmp_path, quiet=True) as monitor:
        monitor.resume(2)
        monitor.end_epoch(ROW, best=True)
        monitor.end(Progress(best_loss=0.25, best_epoch=3, epoch=3))
    assert capsys.readouterr() == ("", "")
    names = ("loss", "learning_rate", "gradient_norm", "segments_per_second")
    assert scalars_of(tmp_path) == {(3, name): ROW[name] for name in names}
    # TensorBoard draws it into the chart of the loss.
    assert scalars_of(tmp_path / "valid") == {(3, "loss"): ROW["valid_loss"]}


def test_terms_of_the_loss_of_valid_keep_their_names(tmp_path):
    with Monitor("phase", 5, 2, tmp_path, quiet=True) as monitor:
        monitor.end_epoch({**ROW, "valid_sentiment": 0.75}, best=True)
    assert scalars_of(tmp_path / "valid") == {(3, "loss"): 0.25, (3, "sentiment"): 0.75}


def test_a_process_that_only_helps_writes_nothing_and_the_position_in_an_epoch_is_said(tmp_path, capsys):
    with Monitor("phase", 5, 4, None) as monitor:
        monitor.resume(0, 2)
        monitor.start_epoch()
        monitor.step(12)
        assert monitor.segments == 12
        monitor.end_epoch(ROW, best=True)
    assert capsys.readouterr().err.splitlines()[0] == "phase: resumes after epoch 0 and 2 of 4 batches"
    assert list(tmp_path.iterdir()) == []


def test_speed_counts_the_segments_of_this_epoch(tmp_path, monkeypatch):
    with Monitor("phase", 5, 2, tmp_path, quiet=True) as monitor:
        now = 100.0
        monkeypatch.setattr("mmtrans.training.monitor.time.perf_counter", lambda: now)
        monitor.start_epoch()
        monitor.step(3)
        monitor.start_epoch()
        monitor.step(4)
        monitor.step(2)
        now = 103.0
        assert monitor.segments_per_second() == 2.0


@pytest.mark.parametrize("title", ["translation T->A", "sentiment concat(T,V)->concat(T,A)", "sentiment " + "x" * 99])
def test_the_bar_fits_80_columns_with_epoch_time_left_and_loss(title):
    with Monitor(title, 60, 2, None, quiet=True) as monitor:
        monitor.resume(9)
        monitor.step(4)
        monitor.end_epoch({**ROW, "epoch": 10, "loss": 1.5}, best=True)
    file = io.StringIO()
    Console(file=file, width=80).print(monitor.bar.get_renderable())
    (line,) = file.getvalue().splitlines()
    assert line.startswith(title[:33])
    assert "epoch 11/60" in line
    assert "-:--:--" in line or re.search(r"\d+:\d\d:\d\d", line)
    assert line.rstrip().endswith("loss 1.5000")


def test_the_last_line_says_best_only_where_it_is(capsys):
    history = [{"epoch": 1, "valid_loss": 0.25}, {"epoch": 2, "valid_loss": 0.5}]
    with Monitor("phase", 2, 2, None) as monitor:
        monitor.end(Progress(epoch=2, best_loss=0.5, best_epoch=2, history=history))
        monitor.end(Progress(epoch=2, best_loss=0.25, best_epoch=1, history=history))
    assert capsys.readouterr().err.splitlines() == [
        "phase: valid loss 0.5000 at epoch 2 of 2",
        "phase: best valid loss 0.2500 at epoch 1 of 2",
    ]


def test_a_line_an_epoch_stays_above_the_bar_of_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Monitor("phase", 5, 2, None) as monitor:
        assert monitor.console.is_terminal
        monitor.end_epoch(ROW, best=True)
    assert "phase  epoch 3/5  loss 0.5000  valid 0.2500* 64 segments/s" in capsys.readouterr().err
