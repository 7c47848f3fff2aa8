"""Runs that start from others: what is taken over, what does not move, what does not fit, and pre-training."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.runs.phases import phases_of
from mmtrans.runs.reading import select
from mmtrans.runs.run import Run
from mmtrans.training.init import check_init, open_init
from mmtrans.training.prepare import prepare_phases
from mmtrans.training.train import build_objective, make_deterministic, phase_codebook, train
from tests.tfrecords.segments import make_corpus, make_segment, make_segments
from tfrecords.manifest import TextColumns


@pytest.fixture(scope="module", autouse=True)
def deterministic():
    make_deterministic()


def open_records(path, segments):
    convert(make_corpus(segments), path)
    return Records.open(path, splits=("train", "valid"))


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    """Records of 24 segments without a label, in four videos."""
    segments = [make_segment(i, 2 + i % 7, video=f"u{i % 4}", label=None, seed=8) for i in range(24)]
    return open_records(tmp_path_factory.mktemp("unlabelled") / "records", segments)


@pytest.fixture(scope="module")
def pretrained(tiny, unlabelled, tmp_path_factory):
    """A run of `T->A` that was pre-trained on them."""
    path = tmp_path_factory.mktemp("runs") / "pretrained"
    run = Run.open_or_create(path, tiny(recipe="T->A", pretrain=True, epochs=1), unlabelled)
    train(run, unlabelled, quiet=True)
    return run


@pytest.fixture
def make_run(tiny, small, pretrained, tmp_path):
    """`make_run(**fields)`: a new run on labelled records that starts from `pretrained`."""

    def make(name="run", **fields):
        config = tiny(**{"recipe": "T->A", "init": str(pretrained.path), "seed": 3, "epochs": 1, **fields})
        prepare_phases(config, small)
        return Run.open_or_create(tmp_path / name, config, small)

    return make


def weights_of(run, group, phase=0):
    with np.load(run.weights_path(run.phases[phase])) as arrays:
        return [arrays[name] for name in sorted(arrays.files) if name.startswith(f"{group}/")]


def are_equal(left, right):
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def initial(run, records, part="model", phase=0):
    """Weights of a translation of a run before its first step."""
    chosen = run.phases[phase]
    codebook = phase_codebook(run, chosen, records, select(chosen, "train"))
    objective = build_objective(run, chosen, records, codebook)
    return (objective.model if part == "model" else objective.translator.representation).get_weights()


def test_a_pretrained_run_has_translations_only(pretrained, unlabelled):
    assert [phase.kind for phase in pretrained.phases] == ["translation"]
    result = evaluate(pretrained, unlabelled, "valid")
    assert list(result) == ["translation", "records", "left_out"]
    assert np.isfinite(result["translation"]["r2"])
    assert json.loads((pretrained.path / "metrics.json").read_text()) == {"valid": result}
    assert not (pretrained.path / "predictions.csv").exists()
    with pytest.raises(ValueError, match=r"has no sentiment model\. .*Received: pretrain=True"):
        pretrained.load_regressor()


def test_the_same_translation_is_taken_over_whole(make_run, small, pretrained):
    assert are_equal(initial(make_run(), small), weights_of(pretrained, "model"))


def test_another_target_takes_over_the_encoder(make_run, small, pretrained):
    encoder = weights_of(pretrained, "representation")
    for name, fields in (("T", {"recipe": "T->T"}), ("tokens", {"target": "tokens", "codebook_size": 4})):
        run = make_run(name, **fields)
        run.phase_dir(run.phases[0]).mkdir(parents=True)
        assert are_equal(initial(run, small, "representation"), encoder)
        assert not are_equal(initial(run, small)[len(encoder) :], weights_of(pretrained, "model")[len(encoder) :])


def test_a_hierarchical_recipe_takes_over_its_first_translation(make_run, small, pretrained):
    run = make_run(recipe="embed(T,A)->A")
    assert are_equal(initial(run, small), weights_of(pretrained, "model"))


@pytest.fixture(scope="module")
def finetuned(tiny, small_dir, pretrained, tmp_path_factory):
    """freeze → a run from `pretrained`, which is gone since."""
    records, directory = Records.open(small_dir, splits=("train", "valid")), tmp_path_factory.mktemp("tuned")
    gone = shutil.copytree(pretrained.path, directory / "gone")
    runs = {}
    for freeze in ("none", "encoder"):
        config = tiny(recipe="T->A", init=str(gone), freeze=freeze, epochs=1, pretrain=freeze == "none")
        runs[freeze] = Run.open_or_create(directory / freeze, config, records)
    shutil.rmtree(gone)
    for run in runs.values():
        train(run, records, quiet=True)
    return runs


def test_a_frozen_encoder_does_not_move_by_a_bit_and_another_does(finetuned, pretrained):
    taken = weights_of(pretrained, "representation")
    assert are_equal(weights_of(finetuned["encoder"], "representation"), taken)
    assert not are_equal(weights_of(finetuned["none"], "representation"), taken)
    for run in finetuned.values():
        assert not are_equal(weights_of(run, "model")[len(taken) :], weights_of(pretrained, "model")[len(taken) :])
        # What is kept is what is read again.
        assert are_equal(run.load_translator().representation.get_weights(), weights_of(run, "representation"))
    # The regressor was trained on the frozen encoder.
    assert are_equal(weights_of(finetuned["encoder"], "representation", 1), taken)


def test_a_run_goes_on_when_what_it_started_from_is_gone(finetuned, small, monkeypatch):
    monkeypatch.setattr("mmtrans.training.train.fit", lambda *_: pytest.fail("trained"))
    run = finetuned["encoder"]
    again = Run.open_or_create(run.path, run.config, small)
    assert (again.init_hash, again.phases) == (run.init_hash, run.phases)
    train(again, small, quiet=True)
    prepare_phases(run.config, small, init=open_init(run.config.plan.init, run.path / "init"))
    with pytest.raises(FileNotFoundError, match="No run there"):
        prepare_phases(run.config, small)


def test_statistics_are_of_the_new_train_split(make_run, small, pretrained):
    run = make_run()
    np.testing.assert_array_equal(run.statistics.mean["audio"], small.statistics("audio")[0])
    assert not np.array_equal(run.statistics.mean["audio"], pretrained.statistics.mean["audio"])


def test_keys_tell_what_a_run_started_from(tiny):
    def keys(init_hash, recipe="T->A"):
        return [phase.key for phase in phases_of(tiny(recipe=recipe), "m", init_hash)]

    assert keys(None) == [phase.key for phase in phases_of(tiny(recipe="T->A"), "m")]
    assert not set(keys(None)) & set(keys("a"))
    assert not set(keys("b")) & set(keys("a"))
    assert keys("a", "T") == keys(None, "T")


def test_other_weights_since_are_told(make_run, pretrained, tmp_path, capsys):
    kept = make_run().path / "init"
    moved = Run.open(shutil.copytree(pretrained.path, tmp_path / "moved"))
    assert open_init(str(moved.path), kept).translations_hash == pretrained.translations_hash
    assert capsys.readouterr().err == ""
    with np.load(moved.weights_path(moved.phases[0])) as arrays:
        other = {name: arrays[name] + 1 for name in arrays.files}
    np.savez(moved.weights_path(moved.phases[0]), **other)
    assert open_init(str(moved.path), kept).path == kept
    assert f"{moved.path} has other weights by now; those in {kept} are used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"units": 9, "cell": "gru"},
            r"sizes\. Expected cell=lstm, units=4 as there\. Received: cell=gru, units=9",
        ),
        ({"decoder_units": 9}, r"has other sizes\. Expected decoder_units=5 as there\. Received: decoder_units=9"),
        (
            {"recipe": "A->T"},
            r"Expected one whose first translation reads A\. .*translations=\['T->A'\]",
        ),
        ({"recipe": "T"}, r"T translates nothing\. Expected init='' then\. .*or leave --init out"),
        ({"recipe": "T", "init": "", "pretrain": True}, r"T translates nothing\. Expected pretrain=False then\."),
        (
            {"init": "", "freeze": "encoder"},
            r"Received: freeze='encoder'\. Say with --init RUN where the encoder comes from",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(make_run, tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        make_run(**fields)
    assert list(tmp_path.iterdir()) == []


def test_without_attention_a_latent_has_other_weights(pretrained, tiny, small):
    """Also where the encoder alone is taken over, of a run with another target."""
    init = dataclasses.replace(pretrained, config=dataclasses.replace(pretrained.config, bottleneck="vae"))
    config = tiny(recipe="T->T", bottleneck="vae", attention="none", init=str(pretrained.path))
    with pytest.raises(ValueError, match=r"Expected attention=bahdanau as there\. Received: attention=none"):
        check_init(init, config, small)
    check_init(init, dataclasses.replace(config, attention="bahdanau"), small)


def test_damaged_weights_are_refused_before_anything_is_made(pretrained, make_run, tmp_path_factory, tmp_path):
    run = shutil.copytree(pretrained.path, tmp_path_factory.mktemp("init") / "run")
    (weights,) = run.glob("phases/*/best/weights.npz")
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"A file is damaged\. Expected an \.npz archive\. .*weights\.npz"):
        make_run(init=str(run))
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_only_the_decoder_has_do_not_matter_to_the_encoder(make_run, small):
    make_run(recipe="T->T", decoder_units=9)


def test_other_columns_are_refused(tiny, pretrained, tmp_path):
    segments = make_segments(16)
    for segment in segments:
        segment.features["text"] = np.tile(segment.features["text"], 2)
    records = open_records(tmp_path / "records", segments)
    with pytest.raises(ValueError, match=r"Expected columns of text=3 as there\. Received: columns of text=6"):
        prepare_phases(tiny(recipe="T->A", init=str(pretrained.path)), records)


def test_columns_of_another_text_encoder_are_refused(tiny, pretrained, small):
    text = TextColumns("encoder", "ab" * 32, (2,), small.dim("text"))
    records = dataclasses.replace(small, manifest=dataclasses.replace(small.manifest, text=text))
    expected = r"Expected words=vectors of no text encoder as there\. Received: words=layer 2 of the text encoder ab"
    with pytest.raises(ValueError, match=expected):
        prepare_phases(tiny(recipe="T->A", init=str(pretrained.path)), records)


def test_an_unfinished_run_is_refused(tiny, small, pretrained, tmp_path):
    run = dataclasses.replace(pretrained, path=tmp_path / "run")
    shutil.copytree(pretrained.path, run.path)
    status = run.phase_dir(run.phases[0]) / "phase.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "finished": False}))
    with pytest.raises(ValueError, match=r"The run is not finished\..*1-translation-T_to_A"):
        prepare_phases(tiny(recipe="T->A", init=str(run.path)), small)


def test_records_without_labels_say_how_they_serve(tiny, unlabelled):
    with pytest.raises(ValueError, match=r"labelled segments.*or train the translation alone with --pretrain\."):
        prepare_phases(tiny(recipe="T->A"), unlabelled)
    prepare_phases(tiny(recipe="T->A", pretrain=True), unlabelled)
