import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.inference.export import export
from mmtrans.inference.scorer import Scorer
from mmtrans.runs.phases import phases_of
from mmtrans.runs.run import Run
from mmtrans.runs.status import is_finished, read_outcome
from mmtrans.runs.weights import save_weights
from mmtrans.training.objectives import kept_weights
from mmtrans.training.prepare import prepare, prepare_phases
from mmtrans.training.train import build_objective
from tests.tfrecords.segments import make_corpus, make_segment
from tests.training.test_train import assert_equal_runs, train_run

#: A cycle, own frames, few labels and a rising weight: all that a joint phase may have.
JOINT = {
    "recipe": "T->A",
    "objective": "joint",
    "cycle_weight": 0.5,
    "feature_sampling": 1.0,
    "sampling_steps": 5,
    "joint_warmup_steps": 6,
    "label_fraction": 0.5,
}


@pytest.fixture(scope="module")
def undisturbed(tiny, small_dir, tmp_path_factory):
    """Two epochs of four batches."""
    records = Records.open(small_dir, splits=("train", "valid"))
    return train_run(tmp_path_factory.mktemp("runs") / "run", tiny(**JOINT), records)


def test_the_sentiment_selects_and_every_term_is_in_the_history(undisturbed):
    (phase,) = undisturbed.phases
    outcome = read_outcome(undisturbed, phase)
    assert (phase.name, outcome.stopped_by) == ("1-joint-T_to_A", "epochs")
    assert is_finished(undisturbed, phase)
    with open(undisturbed.path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"valid_sentiment", "valid_translation", "valid_cycle"} <= rows[0].keys()
    assert [row["valid_sentiment"] for row in rows] == [row["valid_loss"] for row in rows]
    assert outcome.best_loss == min(row["valid_loss"] for row in outcome.history)
    assert len({row["valid_cycle"] for row in rows}) == len({row["valid_translation"] for row in rows}) == 2


def test_translator_and_regressor_have_one_encoder(undisturbed):
    regressor, translator = undisturbed.load_regressor(), undisturbed.load_translator()
    shared = regressor.representation.get_weights()
    for left, right in zip(shared, translator.representation.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.slow
def test_a_killed_joint_phase_ends_as_an_undisturbed_one(tiny, small, tmp_path, undisturbed):
    """Killed in the second epoch: what is left is the checkpoint of the first."""
    (phase,), path = undisturbed.phases, tmp_path / "run"
    shutil.copytree(undisturbed.path, path)
    shutil.rmtree(path / "phases" / phase.name / "checkpoints" / "step-00000008-000001")
    (path / "history.csv").unlink()
    status = path / "phases" / phase.name / "phase.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "finished": False}))
    assert_equal_runs(undisturbed, train_run(path, tiny(**JOINT), small))


@pytest.mark.slow
def test_a_joint_run_is_evaluated_and_exported(undisturbed, small_dir, tmp_path):
    run = dataclasses.replace(undisturbed, path=tmp_path / "run")
    shutil.copytree(undisturbed.path, run.path)
    result = evaluate(run, Records.open(small_dir), "test")
    assert {"r2", "teacher_forced_r2", "source_shuffled_r2"} <= result["translation"].keys()
    export(run, tmp_path / "exported")
    features = [{"text": np.random.default_rng(0).normal(size=(steps, 3)).astype(np.float32)} for steps in (4, 2)]
    scores = [Scorer.open(path).score(features)[0] for path in (run.path, tmp_path / "exported")]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)


def test_hidden_labels_are_seen_by_nobody(tiny, small):
    config = tiny(**JOINT)
    (phase,) = phases_of(config, small.manifest.manifest_hash)
    prepared = prepare(phase, config, small)
    batches = list(prepared.batches(config.plan.seed).train(0))
    labels = np.concatenate([batch["label"] for batch in batches])
    assert len(labels) == 23  # for the translation, all of them
    np.testing.assert_array_equal(np.sort(labels[np.isfinite(labels)]), np.sort(prepared.records.labels("train")))
    assert np.isfinite(labels).sum() == 10
    valid = np.concatenate([batch["label"] for batch in prepared.batches(config.plan.seed).valid()])
    assert np.isfinite(valid).all()
    few = tiny(**JOINT, valid_label_fraction="same")
    valid = np.concatenate([batch["label"] for batch in prepare(phase, few, small).batches(few.plan.seed).valid()])
    assert (len(valid), np.isfinite(valid).sum()) == (10, 5)


def test_the_inner_translation_of_a_hierarchical_recipe_stays_a_phase_and_does_not_move(tiny, small, tmp_path):
    config = tiny(recipe="embed(T,A)->T", objective="joint", cycle_weight=0.5)
    run = Run.open_or_create(tmp_path / "run", config, small)
    inner, joint = run.phases
    assert (inner.name, joint.name) == ("1-translation-T_to_A", "2-joint-embed_T_A_to_T")
    parent = build_objective(run, inner, small)
    save_weights(run.weights_path(inner), kept_weights(parent))
    objective = build_objective(run, joint, small)
    representation = objective.translator.representation
    taken = representation.get_layer("representation_1")
    for left, right in zip(taken.get_weights(), parent.translator.representation.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    moving = {id(variable) for variable in objective.model.trainable_variables}
    assert not moving & {id(variable) for variable in taken.weights}
    assert {id(variable) for variable in representation.get_layer("encoder_2").weights} <= moving


@pytest.mark.parametrize("name", ["untrained", "finetune"])
def test_options_of_a_sentiment_phase_are_refused(tiny, small, name):
    with pytest.raises(
        ValueError, match=rf"contradict each other: ({name}=True|objective='joint')\. .*--objective|Train "
    ):
        prepare_phases(tiny(recipe="T->A", objective="joint", **{name: True}), small)
    prepare_phases(tiny(recipe="T", objective="joint", **{name: True}), small)


def test_labels_are_needed(tiny, tmp_path):
    segments = [make_segment(i, 3 + i, video=f"v{i % 4}", label=None) for i in range(8)]
    convert(make_corpus(segments), tmp_path / "records")
    records = Records.open(tmp_path / "records", splits=("train", "valid"))
    with pytest.raises(ValueError, match=r"Expected labelled segments with text, audio in the train split"):
        prepare_phases(tiny(recipe="T->A", objective="joint"), records)
