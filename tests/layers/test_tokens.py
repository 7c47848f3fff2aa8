import keras
import numpy as np
import pytest

from mmtrans.layers.tokens import ReversibleEmbedding

BATCH, STEPS, TOKENS, UNITS = 2, 3, 7, 4


@pytest.fixture
def layer():
    layer = ReversibleEmbedding(TOKENS, UNITS)
    layer.build((None, None))
    layer.set_weights([np.random.default_rng(0).normal(size=(TOKENS, UNITS))])
    return layer


@pytest.mark.smoke
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_tokens_become_their_vectors(layer, dtype):
    ids = np.array([[0, 6, 3], [3, 1, 0]], dtype)
    vectors, table = layer(ids).numpy(), layer.get_weights()[0]
    assert vectors.shape == (BATCH, STEPS, UNITS)
    for row, step in np.ndindex(BATCH, STEPS):
        np.testing.assert_array_equal(vectors[row, step], table[ids[row, step]])


def test_in_reverse_a_logit_is_the_product_with_the_token_s_vector(layer):
    inputs = np.random.default_rng(1).normal(size=(BATCH, STEPS, UNITS)).astype(np.float32)
    logits, table = layer(inputs, reverse=True).numpy(), layer.get_weights()[0]
    assert logits.shape == (BATCH, STEPS, TOKENS)
    for row, step, token in np.ndindex(BATCH, STEPS, TOKENS):
        expected = sum(inputs[row, step, unit] * table[token, unit] for unit in range(UNITS))
        np.testing.assert_allclose(logits[row, step, token], expected, rtol=1e-4, atol=1e-6)


def test_one_table_serves_both_directions(layer):
    assert [tuple(w.shape) for w in layer.trainable_weights] == [(TOKENS, UNITS)]


def test_a_saved_layer_is_the_same(layer, tmp_path):
    tokens = keras.Input((None,), dtype="int32")
    vectors = layer(tokens)
    keras.Model(tokens, layer(vectors, reverse=True)).save(tmp_path / "model.keras")
    ids = np.array([[5, 2, 2]], np.int32)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(ids), layer(layer(ids), reverse=True), rtol=1e-6)
