"""Translations whose target has steps of its own: what train says of them, and how long their decoding is."""

import json

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.conversion.convert import convert
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.translation import evaluate_translation
from mmtrans.inference.graph import serving_functions
from mmtrans.inference.translate import translate
from mmtrans.models.build import build_translator
from mmtrans.models.cycle import build_cycle, cycle_terms
from mmtrans.models.statistics import Statistics, StepRatio
from mmtrans.recipe import parse
from mmtrans.runs.run import Run
from mmtrans.runs.weights import save_weights
from mmtrans.training.train import train
from tests.tfrecords.segments import DIMS, make_corpus
from tfrecords.schema import Segment

#: Words and frames of the train segments that have both.
TRAIN = [(4, 14), (2, 5), (7, 21), (3, 12), (5, 16), (6, 20), (2, 7), (4, 13)]
MEAN, LARGEST = 108 / 33, 4.0


def segment(index, video, words, frames, modalities=("text", "audio")):
    rng = np.random.default_rng([index, words, frames])
    steps = {"text": words, "audio": frames}
    features = {name: rng.normal(size=(steps[name], DIMS[name])).astype(np.float32) for name in modalities}
    return Segment(f"{video}[{index}]", video, features, label=float(index % 5) - 2, tokens=("so",) * words)


@pytest.fixture(scope="module")
def records_dir(tmp_path_factory):
    """Records in which train has three to four frames a word, and valid and test have nine."""
    segments = [segment(i, "v0", *steps) for i, steps in enumerate(TRAIN)]
    segments += [segment(90, "v0", 3, 1, ["text"]), segment(91, "v0", 1, 40, ["audio"])]
    segments += [segment(i, video, words, 9 * words) for video in ("v1", "v2") for i, words in enumerate((2, 5, 3))]
    path = tmp_path_factory.mktemp("unaligned") / "records"
    convert(make_corpus(segments, aligned={"text": True, "audio": False}), path)
    return path


@pytest.fixture(scope="module")
def runs(records_dir, tiny, tmp_path_factory):
    """Trained runs of `T->A`: of features, and of tokens."""
    records, made = Records.open(records_dir, splits=("train", "valid")), {}
    for target, fields in {"features": {"stop": True, "feature_sampling": 1.0}, "tokens": {"codebook_size": 3}}.items():
        config = tiny(recipe="T->A", epochs=1, target=target, batch_size=3, **fields)
        made[target] = Run.open_or_create(tmp_path_factory.mktemp(target) / "run", config, records)
        train(made[target], records, quiet=True)
    return made


def test_the_ratio_is_that_of_train_segments_with_both(records_dir, tiny, tmp_path):
    records = Records.open(records_dir, splits=("train", "valid"))
    run = Run.open_or_create(tmp_path / "there", tiny(recipe="T->A"), records)
    assert run.statistics.ratios == {("text", "audio"): StepRatio(pytest.approx(MEAN), LARGEST)}
    assert Run.open(run.path).unaligned == {"audio"}
    back = Run.open_or_create(tmp_path / "back", tiny(recipe="A->T"), records)
    largest = max(words / frames for words, frames in TRAIN)
    ratio = StepRatio(pytest.approx(1 / MEAN), pytest.approx(largest))
    assert back.statistics.ratios == {("audio", "text"): ratio}
    same = Run.open_or_create(tmp_path / "same", tiny(recipe="A->A"), records)
    assert same.statistics.ratios == {}


def test_aligned_records_have_none(small, tiny, tmp_path):
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T->A"), small)
    assert run.statistics.ratios == {}
    assert "target_length" not in build_translator(run.recipe, run.config, run.statistics).model.input


WORDS = [2, 5, 3]


def lengths_of(run, records, length):
    options = SearchOptions(beam_width=2)
    return sorted(len(item.hypotheses[0].frames) for item in translate(run, records, "test", options, length))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["features", "tokens"])
def test_decoding_is_as_long_as_train_or_the_target_says(runs, records_dir, target):
    records = Records.open(records_dir)
    expected = sorted(int(MEAN * words + 0.5) for words in WORDS)
    assert lengths_of(runs[target], records, "source") == expected == [7, 10, 16]
    assert lengths_of(runs[target], records, "target") == [18, 27, 45]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["features", "tokens"])
def test_a_free_target_ends_within_twice_the_largest_ratio_and_ten(runs, records_dir, target):
    run, records = runs[target], Records.open(records_dir)
    translator = run.load_translator()
    limits = [26, 50, 34]
    assert translator.free_limit(tf.constant(WORDS)).numpy().tolist() == limits
    assert all(length <= limit for length, limit in zip(lengths_of(run, records, "free"), sorted(limits), strict=True))
    stop = translator.target.stop_head if target == "features" else None
    if stop is not None:
        stop.set_weights([np.zeros_like(stop.get_weights()[0]), np.array([-9.0])])
        source = tf.zeros([3, 5, DIMS["text"]])
        _, found, _ = translator.rollout_until_stop(
            source, tf.constant(WORDS), translator.free_limit(tf.constant(WORDS))
        )
        assert found.numpy().tolist() == limits


def test_the_limits_without_a_ratio(tiny):
    statistics = Statistics(*({name: fill(dim) for name, dim in DIMS.items()} for fill in (np.zeros, np.ones)))
    translator = build_translator(parse("T->A"), tiny(recipe="T->A"), statistics)
    words = tf.constant([0, 1, 50])
    assert translator.free_limit(words).numpy().tolist() == [10, 12, 110]
    assert translator.expected_length(words).numpy().tolist() == [0, 1, 50]


@pytest.fixture(scope="module")
def back(records_dir, tiny, tmp_path_factory):
    """A translation of `A->T`, whose target has fewer steps than its source."""
    records = Records.open(records_dir, splits=("train", "valid"))
    config = tiny(recipe="A->T", epochs=1, target="features", batch_size=3, stop=True, feature_sampling=1.0)
    run = Run.open_or_create(tmp_path_factory.mktemp("back") / "run", config, records)
    train(run, records, quiet=True)
    return run


@pytest.mark.slow
def test_a_target_of_fewer_steps_than_its_source_is_decoded_within_its_own_limits(back, records_dir):
    records, frames = Records.open(records_dir), [9 * words for words in WORDS]
    # 18, 45 and 27 frames, at 33 words to 108 frames; at most 2 words to 5, twice, and ten.
    assert lengths_of(back, records, "source") == [6, 8, 14]
    assert lengths_of(back, records, "target") == sorted(WORDS)
    translator, limits = back.load_translator(), [25, 46, 32]
    assert translator.expected_length(tf.constant([1, 2])).numpy().tolist() == [1, 1]
    assert translator.free_limit(tf.constant(frames)).numpy().tolist() == limits
    free = lengths_of(back, records, "free")
    assert all(length <= limit for length, limit in zip(free, sorted(limits), strict=True))
    stop = translator.target.stop_head
    stop.set_weights([np.zeros_like(stop.get_weights()[0]), np.array([-9.0])])
    source = tf.zeros([3, 45, DIMS["audio"]])
    _, found, _ = translator.rollout_until_stop(source, tf.constant(frames), tf.constant(limits))
    assert found.numpy().tolist() == limits


@pytest.mark.slow
def test_what_is_decoded_is_the_rollout_of_each_target_s_own_length(runs, records_dir):
    run, records = runs["features"], Records.open(records_dir)
    translator, found = run.load_translator(), {}
    mean, std = run.statistics.mean["audio"], run.statistics.std["audio"]
    for batch in make_batches(records, Selection("test", ("text",), ("audio",)), batch_size=1):
        frames, weights = translator.rollout(batch["source"], batch["source_length"], batch["target_length"])
        found[batch["id"][0].numpy().decode()] = frames[0] * std + mean, weights[0]
    for item in translate(run, records, "test", SearchOptions(), "target"):
        (best,), (frames, weights) = item.hypotheses, found[item.id]
        np.testing.assert_allclose(best.frames, frames, atol=1e-5)
        np.testing.assert_allclose(best.attention_weights, weights, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["features", "tokens"])
def test_an_export_decodes_as_translate_does(runs, records_dir, target):
    run, records = runs[target], Records.open(records_dir)
    function = serving_functions(run)[0]["translate"]
    options = {"beam_width": 2, "n_best": 1, "length_penalty": 0.0, "coverage_penalty": 0.0}
    inputs = {name: tf.constant(value) for name, value in options.items()} if target == "tokens" else {}
    for free in (False, True):
        (batch,) = make_batches(records, Selection("test", ("text",), ("audio",)), batch_size=9)
        outputs = function(text=batch["source"], length=batch["source_length"], free_length=tf.constant(free), **inputs)
        searched = SearchOptions(beam_width=2)
        decoded = {t.id: t for t in translate(run, records, "test", searched, "free" if free else "source")}
        for row, id_ in enumerate(batch["id"].numpy()):
            expected = decoded[id_.decode()].hypotheses[0].frames
            frames = outputs["frames"][row, 0] if target == "tokens" else outputs["frames"][row]
            np.testing.assert_allclose(frames[: len(expected)], expected, atol=1e-5)
            assert not np.any(frames[len(expected) :])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["features", "tokens"])
def test_evaluation_reads_every_frame(runs, records_dir, target):
    result = evaluate_translation(runs[target], Records.open(records_dir), "test")
    assert result["frames"] == 90
    assert np.isfinite([result[name] for name in ("r2", "teacher_forced_r2", "source_shuffled_r2")]).all()


RATIOS = {("text", "audio"): StepRatio(2.0, 3.0)}
LENGTH, TARGET_LENGTH = np.array([4, 2, 3], np.int32), np.array([5, 6, 3], np.int32)


def make_translator(tiny, **fields):
    """A translator of random weights, and a batch; of tokens there are seven, and lengths count EOS."""
    statistics = Statistics(*({name: fill(dim) for name, dim in DIMS.items()} for fill in (np.zeros, np.ones)), RATIOS)
    config, rng = tiny(recipe="T->A", dropout=0.0, max_distance=3, **fields), np.random.default_rng(0)
    is_tokens = config.output.target == "tokens"
    translator = build_translator(parse("T->A"), config, statistics, 7 if is_tokens else None)
    translator.model.set_weights([rng.normal(size=w.shape) for w in translator.model.get_weights()])
    batch = {"source": rng.normal(size=(3, 4, DIMS["text"])), "source_length": LENGTH, "target_length": TARGET_LENGTH}
    batch["target"] = rng.integers(2, 7, (3, 6)) if is_tokens else rng.normal(size=(3, 6, DIMS["audio"]))
    batch["decoder_input"] = np.pad(batch["target"], [(0, 0), (1, 0), (0, 0)][: batch["target"].ndim])[:, :-1]
    types = {"source": np.float32, "target": np.int32 if is_tokens else np.float32}
    types["decoder_input"] = types["target"]
    return translator, {name: tf.constant(v.astype(types.get(name, np.int32))) for name, v in batch.items()}, statistics


@pytest.mark.parametrize(("cell", "target"), [("lstm", "features"), ("gru", "features"), ("lstm", "tokens")])
def test_loss_model_and_decoding_look_at_the_same_steps(tiny, cell, target):
    """What is written in training is what the model writes, and, fed with its own frames, a rollout."""
    translator, batch, _ = make_translator(tiny, cell=cell, target=target)
    assert sorted(translator.model.input) == ["decoder_input", "source", "source_length", "target_length"]
    forced = translator.model(translator.model_inputs(batch))
    name = "logits" if target == "tokens" else "prediction"
    np.testing.assert_allclose(translator.outputs(batch, training=False)[name], forced[name], atol=1e-5)
    other = {**batch, "target_length": batch["target_length"] + 3}
    assert np.abs(translator.model(translator.model_inputs(other))[name] - forced[name]).max() > 1e-3
    if target == "features":
        frames, weights = translator.rollout(*(batch[name] for name in ("source", "source_length", "target_length")))
        previous = tf.pad(frames, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        forced = translator.model(translator.model_inputs({**batch, "decoder_input": previous}))
        valid = np.arange(6) < TARGET_LENGTH[:, None]
        np.testing.assert_allclose(frames.numpy()[valid], forced["prediction"].numpy()[valid], atol=1e-5)
        np.testing.assert_allclose(weights.numpy()[valid], forced["attention_weights"].numpy()[valid], atol=1e-5)


def test_a_search_looks_at_the_same_steps(tiny):
    """The attention of the greedy hypothesis is that of the model, told the same length."""
    translator, batch, _ = make_translator(tiny, target="tokens")
    steps = batch["target_length"] - 1
    greedy = SearchOptions(beam_width=1)
    found = translator.search(batch["source"], batch["source_length"], (steps, steps), greedy, steps)
    ids = found.ids[:, 0]
    forced = translator.model(
        translator.model_inputs({**batch, "decoder_input": tf.pad(ids, [[0, 0], [1, 0]])[:, :-1]})
    )
    for row, n in enumerate(TARGET_LENGTH):
        expected = forced["attention_weights"][row, :n]
        np.testing.assert_allclose(found.attention_weights[row, 0, :n], expected, atol=1e-5)


def test_the_way_back_looks_where_it_came_from(tiny):
    translator, batch, statistics = make_translator(tiny, cycle_weight=0.5)
    cycle = build_cycle(parse("T->A"), translator.target.config, statistics, translator)
    rng = np.random.default_rng(1)
    cycle.model.set_weights([rng.normal(size=w.shape) for w in cycle.model.get_weights()])
    decoded = batch["target"]
    previous = tf.pad(batch["source"], [[0, 0], [1, 0], [0, 0]])[:, :-1]
    inputs = {"source": decoded, "source_length": batch["target_length"], "decoder_input": previous}
    inputs["target_length"] = batch["source_length"]
    error = np.square(cycle.model(inputs)["prediction"] - batch["source"]).mean(-1)
    cycle.target.config = tiny(recipe="T->A", feature_sampling=0.0)
    (term,) = cycle_terms(cycle, decoded, batch, training=False)
    assert float(term.total) == pytest.approx(error[np.arange(4) < LENGTH[:, None]].sum(), rel=1e-4)


def test_a_keras_file_asks_for_the_length(tiny, tmp_path):
    import keras

    for target in ("features", "tokens"):
        translator, batch, _ = make_translator(tiny, target=target)
        translator.model.save(tmp_path / f"{target}.keras")
        loaded, inputs = keras.models.load_model(tmp_path / f"{target}.keras"), translator.model_inputs(batch)
        for name, output in loaded(inputs).items():
            np.testing.assert_allclose(output, translator.model(inputs)[name], atol=1e-6)


@pytest.mark.slow
def test_a_damaged_ratio_is_named(runs, tmp_path):
    run = runs["features"]
    with np.load(run.path / "statistics.npz") as arrays:
        damaged = {**arrays, "ratio/text/audio": np.array([np.nan, 1.0])}
    np.savez(tmp_path / "statistics.npz", **damaged)
    with pytest.raises(ValueError, match=r"the mean and the largest of ratios.*ratio/text/audio"):
        Statistics.load(tmp_path / "statistics.npz")
    assert json.loads((run.path / "environment.json").read_text())["run_format"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("target", ["features", "tokens"])
def test_the_attention_is_held_against_the_prior_that_it_started_from(runs, records_dir, target):
    """An attention without content is the prior, over the steps on which frames fall, and has correlation 1."""
    run, records = runs[target], Records.open(records_dir)
    result = evaluate_translation(run, records, "test")["attention_prior_correlation"]
    assert 0.2 < result < 1.0
    weights_path, group = run.weights_path(run.translations[-1]), run.translator_group(run.translations[-1])
    kept, translator = weights_path.read_bytes(), run.load_translator()
    decoder = translator.decoder
    decoder.attention.set_weights([np.zeros_like(w) for w in decoder.attention.get_weights()])
    index = [w.shape for w in decoder.get_weights()].index((33,))
    weights = decoder.get_weights()
    weights[index] = -np.abs(np.arange(-16, 17)).astype(np.float32)
    decoder.set_weights(weights)
    save_weights(weights_path, {group: translator.model})
    assert evaluate_translation(run, records, "test")["attention_prior_correlation"] == pytest.approx(1.0, abs=1e-4)
    weights_path.write_bytes(kept)
