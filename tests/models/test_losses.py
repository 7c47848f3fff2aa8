import numpy as np
import pytest
import tensorflow as tf

from mmtrans.models.losses import feature_loss, sentiment_loss

BATCH, STEPS = 4, 5
BLOCKS = {"text": (0, 3), "audio": (3, 5), "video": (5, 6)}
LENGTH = np.array([5, 2, 0, 3])
MASK = np.arange(STEPS) < LENGTH[:, None]
KINDS = ["mse", "mae", "huber", "cosine"]


def normal(*shape, seed):
    # A scale of 2 puts errors on both sides of Huber's delta.
    return 2 * np.random.default_rng(seed).normal(size=shape).astype(np.float32)


PREDICTION, TARGET = normal(BATCH, STEPS, 6, seed=1), normal(BATCH, STEPS, 6, seed=2)


def step_loss(kind, p, y):
    """Loss of one step of one modality."""
    if kind == "cosine":
        return 1 - float(p @ y) / (np.sqrt(float(p @ p)) * np.sqrt(float(y @ y)))
    total = 0.0
    for error in np.float64(p) - y:
        if kind == "mse":
            total += error**2
        elif kind == "mae":
            total += abs(error)
        else:
            total += error**2 / 2 if abs(error) <= 1 else abs(error) - 0.5
    return total / len(p)


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [["audio"], ["text", "audio", "video"]])
def test_feature_loss_oracle(kind, names):
    blocks = {name: BLOCKS[name] for name in names}
    expected = 0.0
    for b in range(BATCH):
        for t in range(LENGTH[b]):
            by_modality = [step_loss(kind, PREDICTION[b, t, i:j], TARGET[b, t, i:j]) for i, j in blocks.values()]
            expected += sum(by_modality) / len(by_modality)
    total, count = feature_loss(kind, PREDICTION, TARGET, LENGTH, blocks)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert count == LENGTH.sum()
    assert total.shape == count.shape == ()
    assert total.dtype == count.dtype == tf.float32


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    nan = np.where(MASK[:, :, None], 0, np.nan).astype(np.float32)
    prediction = tf.Variable(PREDICTION)
    with tf.GradientTape() as clean_tape:
        clean, _ = feature_loss(kind, prediction, TARGET, LENGTH, BLOCKS)
    expected = clean_tape.gradient(clean, prediction)
    longer = [np.pad(array + nan, [(0, 0), (0, 2), (0, 0)], constant_values=np.inf) for array in (PREDICTION, TARGET)]
    padded = tf.Variable(longer[0])
    with tf.GradientTape() as tape:
        total, count = feature_loss(kind, padded, longer[1], LENGTH, BLOCKS)
    gradient = tape.gradient(total, padded).numpy()
    np.testing.assert_allclose(total, clean, rtol=1e-6)
    assert count == LENGTH.sum()
    np.testing.assert_allclose(gradient[:, :STEPS], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(gradient[:, :STEPS][~MASK], 0.0)
    np.testing.assert_array_equal(gradient[:, STEPS:], 0.0)
    assert np.abs(gradient[:, :STEPS][MASK]).max() > 0.01


def test_a_wide_modality_does_not_drown_a_narrow_one():
    target = np.zeros((1, 1, 101), np.float32)
    prediction = target.copy()
    prediction[0, 0, 100] = 1.0
    total, _ = feature_loss("mse", prediction, target, [1], {"text": (0, 100), "audio": (100, 101)})
    assert float(total) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_add_up(kind):
    total, count = feature_loss(kind, PREDICTION, TARGET, LENGTH, BLOCKS)
    parts = [feature_loss(kind, PREDICTION[s], TARGET[s], LENGTH[s], BLOCKS) for s in (slice(0, 1), slice(1, None))]
    np.testing.assert_allclose(sum(part for part, _ in parts), total, rtol=1e-5)
    assert sum(part for _, part in parts) == count


def test_nothing_valid_gives_zero():
    total, count = feature_loss("cosine", PREDICTION, TARGET, [0, 0, 0, 0], BLOCKS)
    assert (float(total), float(count)) == (0.0, 0.0)


def test_cosine_of_the_zero_vector_is_one_with_a_finite_gradient():
    prediction = tf.Variable(np.zeros((1, 1, 2), np.float32))
    with tf.GradientTape() as tape:
        total, _ = feature_loss("cosine", prediction, np.ones((1, 1, 2), np.float32), [1], {"audio": (0, 2)})
    assert float(total) == 1.0
    assert np.isfinite(tape.gradient(total, prediction)).all()


@pytest.mark.parametrize("kind", ["mae", "mse", "huber"])
def test_sentiment_loss_oracle(kind):
    score = tf.Variable([0.5, -2.0, 1.0, 3.0, 0.0])
    label = np.array([1.0, 1.5, np.nan, 2.9, np.inf], np.float32)
    with tf.GradientTape() as tape:
        total, count = sentiment_loss(kind, score, label)
    expected = sum(step_loss(kind, score.numpy()[[i]], label[[i]]) for i in (0, 1, 3))
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert float(count) == 3.0
    gradient = tape.gradient(total, score).numpy()
    np.testing.assert_array_equal(gradient[[2, 4]], 0.0)
    assert (np.sign(gradient[[0, 1, 3]]) == [-1, -1, 1]).all()


def test_no_labels_give_zero():
    total, count = sentiment_loss("mae", tf.constant([1.0, 2.0]), tf.constant([np.nan, np.nan]))
    assert (float(total), float(count)) == (0.0, 0.0)
