import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.data import serialized
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records, reporting_corruption
from mmtrans.runs.reading import select
from mmtrans.runs.run import Run
from mmtrans.runs.status import is_finished, read_outcome, read_status
from mmtrans.training.monitor import Monitor
from mmtrans.training.prepare import prepare, prepare_phases
from mmtrans.training.train import HISTORY_FIELDS, begin_phase, build_objective, make_deterministic, train
from tests.tfrecords.segments import make_corpus, make_segment, make_segments


@pytest.fixture(scope="module", autouse=True)
def deterministic():
    make_deterministic()


def train_run(path, config, records):
    run = Run.open_or_create(path, config, records)
    train(run, records, quiet=True)
    return run


def weights_of(run):
    """phase → its best weights, by name."""
    found = {}
    for phase in run.phases:
        with np.load(run.weights_path(phase)) as arrays:
            found[phase.name] = {key: arrays[key] for key in arrays.files}
    return found


def history_of(run):
    """Rows of history.csv without the clock."""
    with open(run.path / "history.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "segments_per_second"} for row in csv.DictReader(file)]


def assert_equal_runs(left, right):
    assert history_of(left) == history_of(right)
    expected, received = weights_of(left), weights_of(right)
    assert expected.keys() == received.keys()
    for phase, arrays in expected.items():
        assert arrays.keys() == received[phase].keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(received[phase][name], array, err_msg=f"{phase} {name}")


def interrupt_at(monkeypatch, batch):
    """Ctrl-C at the n-th batch from now, over all phases."""
    left, step = [batch], Monitor.step

    def interrupting(self, segments):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        step(self, segments)

    monkeypatch.setattr(Monitor, "step", interrupting)


def corrupt(path):
    """Flips the byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.fixture(scope="module")
def undisturbed(tiny, small_dir, tmp_path_factory):
    """`T->A` of three epochs: 4 batches in one of the translation (23 segments), 3 of the regressor (20)."""
    records = Records.open(small_dir, splits=("train", "valid"))
    return train_run(tmp_path_factory.mktemp("runs") / "run", tiny(recipe="T->A", epochs=3), records)


def test_a_run_leaves_its_history_and_the_state_of_each_phase(undisturbed, small):
    rows = history_of(undisturbed)
    assert [(row["phase"], row["epoch"]) for row in rows] == [
        (phase, str(epoch)) for phase in ("1-translation-T_to_A", "2-sentiment-T_to_A") for epoch in (1, 2, 3)
    ]
    assert all(np.isfinite(float(value)) for row in rows for name, value in row.items() if name != "phase")
    header = (undisturbed.path / "history.csv").read_text().splitlines()[0]
    assert header == ",".join(HISTORY_FIELDS)
    for phase in undisturbed.phases:
        status = read_status(undisturbed, phase)
        assert (status.key, status.outcome.stopped_by, status.outcome.epoch) == (phase.key, "epochs", 3)
        stored = json.loads((undisturbed.phase_dir(phase) / "phase.json").read_text())
        assert status.outcome.parameters == build_objective(undisturbed, phase, small).model.count_params() > 0
        fields = ["epochs", "stopped_by", "epoch", "step", "best_loss", "best_epoch", "history", "parameters"]
        assert list(stored) == ["kind", "recipe", "key", "inherited", "finished", *fields]
        assert (stored["kind"], stored["recipe"], stored["finished"]) == (phase.kind, str(phase.recipe), True)
        assert is_finished(undisturbed, phase)
    assert len(list((undisturbed.path / "logs").rglob("events.*"))) == 4  # of train and of valid


def test_the_regressor_reads_the_frozen_encoder_of_the_translation(undisturbed):
    (translation, sentiment), kept = weights_of(undisturbed).values(), "representation/"
    names = [name for name in translation if name.startswith(kept)]
    assert names
    for name in names:
        np.testing.assert_array_equal(sentiment[name], translation[name])


@pytest.mark.slow
def test_an_interrupted_run_equals_an_undisturbed_one(tiny, small, tmp_path, monkeypatch, undisturbed):
    config = tiny(recipe="T->A", epochs=3)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)  # in the second epoch of the translation
        with pytest.raises(KeyboardInterrupt):
            train_run(tmp_path / "run", config, small)
    run = Run.open(tmp_path / "run")
    assert [is_finished(run, phase) for phase in run.phases] == [False, False]
    assert_equal_runs(undisturbed, train_run(tmp_path / "run", config, small))


@pytest.mark.slow
def test_epochs_may_grow(tiny, small, tmp_path, undisturbed):
    first = train_run(tmp_path / "run", tiny(recipe="T->A", epochs=2), small)
    inherited = read_status(first, first.phases[1]).inherited
    grown = train_run(tmp_path / "run", tiny(recipe="T->A", epochs=3), small)
    # The translation goes on; its best weights moved, so the regressor begins anew on them.
    assert read_outcome(grown, grown.phases[0]).best_epoch == 3
    assert read_status(grown, grown.phases[1]).inherited != inherited
    assert_equal_runs(undisturbed, grown)


def test_a_finished_run_is_left_alone(tiny, small, tmp_path, monkeypatch, undisturbed):
    shutil.copytree(undisturbed.path, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "phases").rglob("*")}
    monkeypatch.setattr("mmtrans.training.train.fit", lambda *_: pytest.fail("trained"))
    train_run(tmp_path / "run", tiny(recipe="T->A", epochs=3), small)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "phases").rglob("*")} == before


def test_a_phase_that_ran_out_of_patience_does_not_grow(tiny, small, tmp_path, monkeypatch, undisturbed):
    shutil.copytree(undisturbed.path, tmp_path / "run")
    for phase in undisturbed.phases:
        path = tmp_path / "run" / "phases" / phase.name / "phase.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "stopped_by": "patience"}))
    monkeypatch.setattr("mmtrans.training.train.fit", lambda *_: pytest.fail("trained"))
    assert train_run(tmp_path / "run", tiny(recipe="T->A", epochs=9), small).config.optimisation.epochs == 9


def test_what_a_kill_left_of_a_removed_phase_is_not_gone_on_from(tmp_path, undisturbed):
    """A phase on old weights was being removed: its phase.json is gone, its checkpoints are not yet."""
    run = dataclasses.replace(undisturbed, path=tmp_path / "run")
    shutil.copytree(undisturbed.path, run.path)
    stale = run.phase_dir(run.phases[1])
    (stale / "phase.json").unlink()
    begin_phase(run, run.phases[1], writes=False)
    assert (stale / "checkpoints").is_dir()
    assert begin_phase(run, run.phases[1], writes=True).outcome is None
    assert list((stale / "checkpoints").iterdir()) == []


def test_what_phases_read_is_worked_out_once(tmp_path, undisturbed, small, monkeypatch):
    config = undisturbed.config
    prepared = prepare_phases(config, small)
    assert [each.train_steps for each in prepared] == [4, 3]
    shutil.copytree(undisturbed.path, tmp_path / "run")
    monkeypatch.setattr("mmtrans.training.prepare.prepare", lambda *_: pytest.fail("worked out again"))
    run = Run.open(tmp_path / "run")
    train(run, small, quiet=True, prepared=prepared)
    with pytest.raises(pytest.fail.Exception, match=r"worked out again"):
        train(run, small, quiet=True)


def test_an_unfinished_phase_has_no_outcome(tmp_path, undisturbed):
    run = dataclasses.replace(undisturbed, path=tmp_path / "run")
    with pytest.raises(ValueError, match=r"The run is not finished.*unfinished=\['2-sentiment-T_to_A'\]"):
        read_outcome(run, run.phases[1])


def test_a_seed_decides_everything(tiny, small, tmp_path):
    first, same, other = (
        train_run(tmp_path / name, tiny(seed=seed, epochs=1), small) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert_equal_runs(first, same)
    assert history_of(first) != history_of(other)
    left, right = ({k: v for arrays in weights_of(r).values() for k, v in arrays.items()} for r in (first, other))
    assert any(not np.array_equal(left[name], right[name]) for name in left)


def ids_of(batches):
    return [text.decode() for batch in batches for text in batch["id"].numpy()]


def test_unlabelled_segments_serve_the_translation_and_not_the_sentiment(undisturbed, small):
    translation, sentiment = undisturbed.phases
    labelled, everything = (
        prepare(phase, undisturbed.config, small).batches(undisturbed.config.plan.seed)
        for phase in (sentiment, translation)
    )
    unlabelled = {f"v0[{i}]" for i in (90, 91, 92)}
    assert unlabelled <= set(ids_of(everything.train(0)))
    assert len(ids_of(everything.train(0))) == 23
    assert not unlabelled & set(ids_of(labelled.train(0)))
    assert len(ids_of(labelled.train(0))) == 20
    assert (everything.train_steps, labelled.train_steps) == (4, 3)
    assert ids_of(labelled.train(0)) != ids_of(labelled.train(1))
    assert ids_of(labelled.train(1)) == ids_of(labelled.train(1))
    assert select(sentiment, "valid").target == ()


def test_test_is_out_of_reach(tiny, small_dir, undisturbed):
    records = Records.open(small_dir, splits=("train", "valid"))
    with pytest.raises(ValueError, match=r"may not be read here"):
        make_batches(records, select(undisturbed.phases[0], "test"), batch_size=2)


def records_of(tmp_path, segments, **options):
    convert(make_corpus(segments, **options), tmp_path / "records")
    return Records.open(tmp_path / "records", splits=("train", "valid"))


def test_a_split_without_segments_is_named(tiny, tmp_path):
    records = records_of(tmp_path, make_segments(8), folds={"train": ["v0", "v1", "v2", "v3"]})
    with pytest.raises(ValueError, match=r"Expected labelled segments with text in the valid split.*--folds"):
        prepare_phases(tiny(), records)


def test_labels_are_needed_for_sentiment_before_anything_is_trained(tiny, tmp_path):
    segments = [make_segment(i, 3 + i, video=f"v{i % 4}", label=None) for i in range(8)]
    with pytest.raises(ValueError, match=r"Nothing to train on\. Expected labelled segments with text in the train"):
        prepare_phases(tiny(recipe="T->A"), records_of(tmp_path, segments))


def test_unaligned_streams_cannot_be_concatenated(tiny, tmp_path):
    records = records_of(tmp_path, make_segments(8), aligned={"audio": False})
    with pytest.raises(ValueError, match=r"Only aligned modalities can be read step by step"):
        prepare_phases(tiny(recipe="concat(T,A)"), records)
    prepare_phases(tiny(recipe="T->A"), records)


@pytest.mark.parametrize("held_bytes", [0, serialized.HELD_BYTES])
def test_a_corrupt_shard_is_named(tmp_path, monkeypatch, held_bytes):
    monkeypatch.setattr(serialized, "HELD_BYTES", held_bytes)
    records = records_of(tmp_path, make_segments(40))
    shard = records.shards("train")[2].file
    corrupt(records.directory / shard)
    message = rf"records are corrupt.*shards=\['{shard}'\].*records.*Convert the source"
    with pytest.raises(ValueError, match=message), reporting_corruption(records):
        ids_of(make_batches(records, Selection("train", ("text",)), batch_size=4))


@pytest.mark.parametrize("batch", [1, 6])
def test_records_that_are_replaced_stop_the_training_that_reads_them(tiny, tmp_path, monkeypatch, batch):
    """The new shards have the names of the old ones, and hold other segments."""
    records, left, step = records_of(tmp_path, make_segments(40)), [batch], Monitor.step

    def replacing(self, segments):
        left[0] -= 1
        if left[0] == 0:
            convert(make_corpus(make_segments(40)[::-1]), records.directory, overwrite=True)
        step(self, segments)

    monkeypatch.setattr(Monitor, "step", replacing)
    message = (
        rf"records were replaced while they were read\..*manifest {records.manifest.manifest_hash[:12]}\. Received: "
    )
    with pytest.raises(ValueError, match=message):
        train_run(tmp_path / "run", tiny(epochs=3), records)
    # What was learned of both is kept nowhere.
    kept = [path.name for path in (tmp_path / "run").rglob("step-*")]
    assert kept == ([] if batch == 1 else ["step-00000003-000001"])


def test_the_same_records_may_be_put_in_the_place_of_the_old_ones(tmp_path):
    records = records_of(tmp_path, make_segments(40))
    with reporting_corruption(records):
        convert(make_corpus(make_segments(40)), records.directory, overwrite=True)
    (records.directory / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"replaced while they were read.*Received: none"):
        records.check_unchanged()


def test_other_errors_pass_through(small):
    with pytest.raises(KeyError, match="mine"), reporting_corruption(small):
        raise KeyError("mine")


def test_history_is_there_while_a_phase_is_under_way(small, tiny, tmp_path, monkeypatch):
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T->A", epochs=2), small)
    ended = []

    def end(monitor, progress):
        ended.append(monitor.title)
        if len(ended) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("mmtrans.training.monitor.Monitor.end", end)
    with pytest.raises(KeyboardInterrupt):
        train(run, small, quiet=True)
    assert read_status(run, run.phases[1]).outcome is None
    with open(run.path / "history.csv", newline="") as file:
        rows = [(row["phase"], row["epoch"]) for row in csv.DictReader(file)]
    assert rows == [(phase.name, epoch) for phase in run.phases for epoch in ("1", "2")]
