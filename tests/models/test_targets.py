import inspect

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.dropout import random_step
from mmtrans.models.statistics import Statistics
from mmtrans.models.targets import STOP_WEIGHT, FeatureTarget, Target, TokenTarget, linear_ramp
from mmtrans.recipe import parse

BATCH, STEPS, TOKENS = 2, 3, 7
LENGTH = np.array([3, 2], np.int32)
MEAN, STD = np.array([1.0, -2.0]), np.array([0.5, 4.0])
STATISTICS = Statistics({"audio": MEAN}, {"audio": STD})
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(BATCH, STEPS, TOKENS)).astype(np.float32)
TARGET = np.array([[5, 2, 1], [3, 1, 1]], np.int32)


def cross_entropy(smoothing):
    """Sum over valid steps of the cross-entropy with a smoothed target."""
    total = 0.0
    for row, length in enumerate(LENGTH):
        for step in range(length):
            log_probs = LOGITS[row, step] - np.log(np.exp(LOGITS[row, step].astype(np.float64)).sum())
            wanted = np.full(TOKENS, smoothing / TOKENS)
            wanted[TARGET[row, step]] += 1 - smoothing
            total -= (wanted * log_probs).sum()
    return total


@pytest.mark.smoke
@pytest.mark.parametrize(("training", "smoothing"), [(True, 0.2), (False, 0.0)])
def test_tokens_are_smoothed_in_training_only(training, smoothing):
    target = TokenTarget(Config(target="tokens", label_smoothing=0.2), TOKENS)
    (term,) = target.terms({"logits": tf.constant(LOGITS)}, {"target": TARGET, "target_length": LENGTH}, training)
    np.testing.assert_allclose(term.total, cross_entropy(smoothing), rtol=1e-5)
    assert (float(term.count), term.weight) == (5.0, 1.0)


@pytest.mark.parametrize("tied", [False, True])
def test_the_head_s_logits(tied):
    target = TokenTarget(Config(target="tokens", tie_weights=tied, embedding_units=4), TOKENS)
    outputs = RNG.normal(size=(BATCH, STEPS, 5)).astype(np.float32)
    target.embed(tf.zeros([1, 1], tf.int32))
    logits = target.head(outputs)["logits"].numpy()
    kernel, bias = (w.numpy() for w in target.projection.weights)
    expected = outputs @ kernel + bias
    if tied:
        expected = expected @ target.embedding.get_weights()[0].T
    assert logits.shape == (BATCH, STEPS, TOKENS)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_mixed_in_tokens_come_one_step_later_and_the_first_stays():
    target = TokenTarget(Config(target="tokens", token_sampling=1.0, sampling_steps=1), TOKENS)
    certain = 200.0 * tf.one_hot([[6, 4, 3], [2, 5, 6]], TOKENS)
    given = np.array([[0, 5, 2], [0, 3, 1]], np.int32)
    with random_step([0, 1]):
        mixed = target.mix_in_predictions(given, certain)
    np.testing.assert_array_equal(mixed, [[0, 6, 4], [0, 2, 5]])
    with random_step([0, 0]):
        np.testing.assert_array_equal(target.mix_in_predictions(given, certain), given)


def test_mixed_in_tokens_are_drawn_by_probability_and_in_their_share():
    target = TokenTarget(Config(target="tokens", token_sampling=0.5, sampling_steps=10), 3)
    given, steps = np.full((1, 40_000), 2, np.int32), 40_000
    logits = np.log([0.75, 0.25, 1e-9]).astype(np.float32)
    with random_step([0, 1000]):
        mixed = target.mix_in_predictions(given, np.broadcast_to(logits, (1, steps, 3))).numpy()
    shares = np.bincount(mixed[0, 1:], minlength=3) / (steps - 1)
    np.testing.assert_allclose(shares, [0.375, 0.125, 0.5], atol=0.015)


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (5, 0.4), (10, 0.8), (99, 0.8)])
def test_the_share_rises_linearly_to_its_largest(step, share):
    with random_step([0, step]):
        np.testing.assert_allclose(linear_ramp(0.8, 10), share, rtol=1e-6)


@pytest.mark.parametrize("stop", [False, True])
def test_features_have_a_loss_on_standardised_frames_and_one_of_the_stop(stop):
    target = FeatureTarget(parse("A"), Config(stop=stop, translation_loss="mse"), STATISTICS)
    raw = RNG.normal(size=(BATCH, STEPS, 2)).astype(np.float32)
    written = {"prediction": tf.constant(RNG.normal(size=(BATCH, STEPS, 2)), tf.float32)}
    if stop:
        written["stop"] = tf.constant(RNG.normal(size=(BATCH, STEPS, 1)), tf.float32)
    frames, *stops = target.terms(written, {"target": raw, "target_length": LENGTH}, training=False)
    expected = stop_expected = 0.0
    for row, length in enumerate(LENGTH):
        for step in range(length):
            error = written["prediction"][row, step] - (raw[row, step] - MEAN) / STD
            expected += np.mean(np.square(error))
            if stop:
                p = 1 / (1 + np.exp(-float(written["stop"][row, step, 0])))
                stop_expected -= np.log(p if step == length - 1 else 1 - p)
    np.testing.assert_allclose(frames.total, expected, rtol=1e-5)
    assert len(stops) == stop
    for term in stops:
        np.testing.assert_allclose(term.total, stop_expected, rtol=1e-5)
        assert (float(term.count), term.weight) == (5.0, STOP_WEIGHT)


@pytest.mark.parametrize("name", [name for name in vars(Target) if not name.startswith("_")])
def test_both_targets_are_called_alike(name):
    wanted = inspect.getattr_static(Target, name)
    for kind in (FeatureTarget, TokenTarget):
        given = inspect.getattr_static(kind, name)
        assert type(given) is type(wanted)
        if not isinstance(wanted, property):
            assert list(inspect.signature(given).parameters) == list(inspect.signature(wanted).parameters)
