import os
import re
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.runs.weights import load_weights, save_weights
from mmtrans.system.fence import TOKENS, Fence
from mmtrans.system.lease import held
from mmtrans.training.checkpoints import KEEP, CheckpointManager, discard_checkpoints
from mmtrans.training.progress import Progress
from tests.system.stepping import Actor, count


def make_model(units=2):
    model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(3)])
    model.build((None, 4))
    return model


def keep(directory, value, **options):
    return CheckpointManager(directory, tf.train.Checkpoint(value=value), **options)


def steps_of(directory):
    return [int(path.name.split("-")[1]) for path in sorted((directory / "checkpoints").iterdir())]


def test_a_checkpoint_brings_back_variables_and_progress(tmp_path):
    progress = Progress(step=7, history=[{"epoch": 1, "loss": 0.5, "valid_loss": 2.0}])
    keep(tmp_path, tf.Variable([1.0, 2.0])).save(progress)
    fresh = tf.Variable([0.0, 0.0])
    restored = keep(tmp_path, fresh).restore()
    assert restored == progress
    # Numbers stay what they were, for history.csv: 1, not 1.0.
    assert [type(value) for value in restored.history[0].values()] == [int, float, float]
    np.testing.assert_array_equal(fresh.numpy(), [1.0, 2.0])


def test_without_checkpoints_nothing_is_restored(tmp_path):
    assert keep(tmp_path / "none", tf.Variable(1.0)).restore() is None


def test_the_newest_are_kept_and_restored(tmp_path):
    value = tf.Variable(0)
    manager = keep(tmp_path, value)
    steps = [9, 10, 100, 99_999_999]
    for step in steps:
        value.assign(step)
        manager.save(Progress(step=step))
    assert steps_of(tmp_path) == steps[-KEEP:]
    value.assign(0)
    assert manager.restore() == Progress(step=99_999_999)
    assert value.numpy() == 99_999_999


def test_a_checkpoint_that_was_interrupted_is_not_seen(tmp_path, monkeypatch):
    value = tf.Variable(1)
    manager = keep(tmp_path, value)
    manager.save(Progress(step=1))
    value.assign(2)
    with monkeypatch.context() as patch:

        def interrupted(*_):
            raise KeyboardInterrupt

        patch.setattr("tfrecords.directories._rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            manager.save(Progress(step=2))
    assert manager.restore() == Progress(step=1)
    assert value.numpy() == 1
    value.assign(3)
    manager.save(Progress(step=3))
    assert steps_of(tmp_path) == [1, 3]
    assert manager.restore() == Progress(step=3)
    assert value.numpy() == 3


@pytest.mark.parametrize("again", ["restore", "save"])
def test_what_kills_leave_is_cleared_away(tmp_path, again):
    value = tf.Variable(4)
    manager = keep(tmp_path, value)
    for step in (3, 4):
        manager.save(Progress(step=step))
    checkpoints = tmp_path / "checkpoints"
    process = "12-abc-3-0"
    # While 5 was written; between the renames of 4 by another 4; while 2 was removed; and one of an older version.
    shutil.copytree(checkpoints / "step-00000004", checkpoints / f".step-00000005.partial-{process}")
    shutil.copytree(checkpoints / "step-00000004", checkpoints / f".step-00000004.partial-{process}")
    (checkpoints / "step-00000004").rename(checkpoints / f".step-00000004.old-{process}")
    (checkpoints / f".step-00000002.partial-{process}").mkdir()
    (checkpoints / ".step-00000001.partial").mkdir()
    # After 3 had been replaced.
    shutil.copytree(checkpoints / "step-00000003", checkpoints / f".step-00000003.old-{process}")
    if again == "restore":
        assert keep(tmp_path, value, writes=False).restore() == Progress(step=3)
        assert len(list(checkpoints.iterdir())) == 7
        assert manager.restore() == Progress(step=4)
        assert steps_of(tmp_path) == [3, 4]
    else:
        manager.save(Progress(step=5))
        assert steps_of(tmp_path) == [4, 5]


def test_a_kill_while_an_old_checkpoint_is_removed_leaves_none_that_is_damaged(tmp_path, monkeypatch):
    manager = keep(tmp_path, tf.Variable(4))
    for step in range(KEEP):
        manager.save(Progress(step=step))
    with monkeypatch.context() as patch:

        def killed(path):
            (path / "progress.json").unlink()
            raise KeyboardInterrupt

        patch.setattr("mmtrans.training.checkpoints.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            manager.save(Progress(step=KEEP))
    assert manager.restore() == Progress(step=KEEP)
    assert steps_of(tmp_path) == list(range(1, KEEP + 1))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    """Changes one byte in the middle, which in JSON is still JSON as often as not."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [truncate, flip, pipe, lambda path: path.unlink()])
@pytest.mark.parametrize("name", ["state.data*", "state.index", "progress.json", "checksums.json", "best.npz"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, capsys, name, damage):
    value = tf.Variable(5.0)
    manager = keep(tmp_path, value)
    manager.best_path.parent.mkdir()
    for step in (5, 6):
        value.assign(step)
        manager.best_path.write_bytes(b"weights of %d" % step)
        manager.save(Progress(step=step, best_epoch=step))
    newest = tmp_path / "checkpoints" / "step-00000006"
    (found,) = newest.glob(name)
    damage(found)
    assert manager.restore() == Progress(step=5, best_epoch=5)
    assert value.numpy() == 5
    # The best weights are those of the same past.
    assert manager.best_path.read_bytes() == b"weights of 5"
    assert capsys.readouterr().err == (
        f"mmtrans: A checkpoint is damaged; training goes on from before it ({newest}).\n"
    )
    # Whatever comes next, the damaged one is gone: KEEP are good.
    manager.save(Progress(step=5 + 1, best_epoch=5))
    assert steps_of(tmp_path) == [5, 6]
    assert manager.restore() == Progress(step=6, best_epoch=5)


def test_damaged_ones_do_not_push_good_ones_out(tmp_path, capsys):
    manager = keep(tmp_path, tf.Variable(1.0))
    for step in (3, 8):
        manager.save(Progress(step=step))
    truncate(tmp_path / "checkpoints" / "step-00000008" / "progress.json")
    assert manager.restore() == Progress(step=3)
    manager.save(Progress(step=4))
    assert steps_of(tmp_path) == [3, 4]


@pytest.mark.parametrize("content", ["[]", "", "[" * 3000, '{"progress.json": 3}', '{"state.index": "ab"}'])
def test_nothing_whole_is_nothing(tmp_path, capsys, content):
    manager = keep(tmp_path, tf.Variable(1.0))
    manager.save(Progress(step=3))
    (tmp_path / "checkpoints" / "step-00000003" / "checksums.json").write_text(content)
    assert manager.restore() is None
    assert capsys.readouterr().err.count("\n") == 1


def test_one_is_due_when_the_time_is_up(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr("mmtrans.training.checkpoints.time.monotonic", lambda: now)
    manager, reader = (keep(tmp_path, tf.Variable(1.0), minutes=2.0, writes=writes) for writes in (True, False))
    now = 219.0
    assert not manager.is_due()
    now = 220.0
    assert manager.is_due()
    assert not reader.is_due()
    manager.save(Progress(step=1))
    assert not manager.is_due()


def test_those_that_only_read_write_nothing(tmp_path):
    value = tf.Variable(1.0)
    keep(tmp_path, value).save(Progress(step=1))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    reader = keep(tmp_path, value, writes=False)
    reader.save(Progress(step=2))
    reader.save_best({"model": make_model()})
    assert reader.restore() == Progress(step=1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_checkpoint_of_other_variables_is_refused(tmp_path):
    keep(tmp_path, tf.Variable(1.0)).save(Progress(step=1))
    more = tf.train.Checkpoint(value=tf.Variable(1.0), more=tf.Variable(1.0))
    with pytest.raises(ValueError, match=r"does not fit the model\. Expected .* Keras [23]\..*step-00000001'\. Go on"):
        CheckpointManager(tmp_path, more).restore()


def test_weights_come_back_by_group(tmp_path):
    first, second = make_model(), make_model(5)
    path = tmp_path / "deep" / "weights.npz"
    save_weights(path, {"model": first, "representation": second})
    for group, saved, fresh in (("model", first, make_model()), ("representation", second, make_model(5))):
        load_weights(path, group, fresh)
        for left, right in zip(saved.get_weights(), fresh.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)
    assert [entry.name for entry in path.parent.iterdir()] == ["weights.npz"]


def test_more_than_ten_arrays_keep_their_order(tmp_path):
    def deep():
        model = keras.Sequential([keras.layers.Dense(4) for _ in range(7)])
        model.build((None, 4))
        return model

    saved, fresh = deep(), deep()
    saved.set_weights([np.full_like(array, i) for i, array in enumerate(saved.get_weights())])
    save_weights(tmp_path / "weights.npz", {"model": saved})
    load_weights(tmp_path / "weights.npz", "model", fresh)
    assert [array.flat[0] for array in fresh.get_weights()] == list(range(14))


def test_weights_that_are_missing_or_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    with pytest.raises(FileNotFoundError, match=rf"No trained weights.*Received: {re.escape(str(path))}"):
        load_weights(path, "model", make_model())
    save_weights(path, {"model": make_model()})
    with pytest.raises(ValueError, match=r"do not fit the model\. Expected shapes \[\(4, 5\).*\[\(4, 2\)"):
        load_weights(path, "model", make_model(5))
    with pytest.raises(ValueError, match=r"do not fit the model.*Received: \[\]"):
        load_weights(path, "representation", make_model())


def names_in(directory):
    return sorted(path.name for path in (directory / "checkpoints").iterdir())


def test_a_holder_goes_on_from_the_one_before_and_drops_its_checkpoints(tmp_path):
    """The first ones are of an earlier version, without a token."""
    value = tf.Variable(0)
    for step in (3, 4):
        value.assign(step)
        keep(tmp_path, value).save(Progress(step=step))
    for token in (1, 2):
        with held(tmp_path):
            manager = keep(tmp_path, value)
            assert manager.restore() == Progress(step=token + 3)
            assert value.numpy() == token + 3
            value.assign(token + 4)
            manager.save(Progress(step=token + 4))
            assert names_in(tmp_path) == [f"step-{step:08d}-{token:06d}" for step in (token + 3, token + 4)]
    # Who holds nothing goes on with the same names.
    manager = keep(tmp_path, value)
    assert manager.restore() == Progress(step=6)
    manager.save(Progress(step=7))
    assert names_in(tmp_path) == ["step-00000006-000002", "step-00000007-000002"]


def test_a_zombie_neither_adds_to_the_checkpoints_nor_removes_any(tmp_path, monkeypatch):
    """It is farther than the one who has taken the run over, and has looked whether it holds the run just before."""
    monkeypatch.setattr("mmtrans.training.checkpoints.check_held", lambda: None)
    with held(tmp_path / "zombie"):
        zombie = keep(tmp_path / "zombie", tf.Variable(1))
        for step in (1, 2):
            zombie.save(Progress(step=step))
        monkeypatch.setattr("mmtrans.training.checkpoints.fence_of", lambda _: SimpleNamespace(is_used=False, token=2))
        value = tf.Variable(0)
        later = keep(tmp_path / "zombie", value)
        assert later.restore() == Progress(step=2)
        value.assign(30)
        later.save(Progress(step=3))
        (tmp_path / "zombie" / "checkpoints" / ".step-00000004-000002.partial-1-00000000-1-0").mkdir()
        zombie.save(Progress(step=90))
        assert names_in(tmp_path / "zombie") == [
            *(".step-00000004-000002.partial-1-00000000-1-0", "step-00000002-000002"),
            *("step-00000003-000002", "step-00000090-000001"),
        ]
        value.assign(0)
        monkeypatch.setattr("mmtrans.training.checkpoints.fence_of", lambda _: SimpleNamespace(is_used=False, token=3))
        latest = keep(tmp_path / "zombie", value)
        assert latest.restore() == Progress(step=3)
        assert value.numpy() == 30
        latest.save(Progress(step=4))
        assert names_in(tmp_path / "zombie") == ["step-00000003-000003", "step-00000004-000003"]
        monkeypatch.setattr("mmtrans.training.checkpoints.fence_of", lambda _: SimpleNamespace(is_used=False, token=2))
        discard_checkpoints(tmp_path / "zombie")
        assert names_in(tmp_path / "zombie") == ["step-00000003-000003", "step-00000004-000003"]


def test_a_holder_that_was_killed_as_it_began_is_passed_over(tmp_path, capsys):
    for step in (1, 2):
        keep(tmp_path, tf.Variable(1)).save(Progress(step=step))
    # It had linked to one, which the world outside has damaged since.
    checkpoints = tmp_path / "checkpoints"
    shutil.copytree(checkpoints / "step-00000002", checkpoints / "step-00000002-000001")
    truncate(checkpoints / "step-00000002-000001" / "progress.json")
    Fence(tmp_path / TOKENS)
    with held(tmp_path) as token:
        assert token == 2
        assert keep(tmp_path, tf.Variable(1)).restore() == Progress(step=2)
    assert capsys.readouterr().err == ""


def test_one_that_still_writes_is_taken_over_at_any_moment(tmp_path):
    """It drops its older checkpoints while links are made to them: what is taken is whole."""

    def take_over(place):
        manager = keep(place, tf.Variable(0))
        manager.token = 2
        return manager.restore()

    saved = tmp_path / "saved"
    for step in (5, 6):
        keep(saved, tf.Variable(step)).save(Progress(step=step))
    shutil.copytree(saved, tmp_path / "count")
    total = count(lambda: take_over(tmp_path / "count"))
    found = set()
    for stop in range(0, total, 3):
        place = tmp_path / str(stop)
        shutil.copytree(saved, place)
        later = Actor(lambda place=place: take_over(place))
        later.advance(stop)
        zombie = keep(place, tf.Variable(0))
        zombie.token = 0
        for step in (7, 8):
            zombie.save(Progress(step=step))
        later.advance()
        assert later.error is None, (stop, later.error)
        assert later.result.step in (6, 8)
        assert names_in(place)[-1] != "step-00000008-000002" or later.result.step == 8
        found.add(later.result.step)
    assert found == {6, 8}
