import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.attention import AttentionPooling, BahdanauAttention, LastStep, masked_softmax

BATCH, QUERIES, STEPS, QUERY_DIM, MEMORY_DIM, UNITS = 2, 3, 5, 4, 6, 7
LENGTH = np.array([5, 3])
MASK = np.arange(STEPS) < LENGTH[:, None]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


QUERY, MEMORY = normal(BATCH, QUERIES, QUERY_DIM, seed=1), normal(BATCH, STEPS, MEMORY_DIM, seed=2)


@pytest.fixture
def attention():
    layer = BahdanauAttention(UNITS)
    layer.build([(None, None, QUERY_DIM), (None, None, MEMORY_DIM)])
    layer.set_weights([normal(*weight.shape, seed=3) for weight in layer.get_weights()])
    return layer


def softmax(scores):
    exponentials = [np.exp(score - max(scores)) for score in scores]
    return np.array(exponentials) / sum(exponentials)


def bahdanau(layer, query, memory, length):
    """Loops over batch, queries and valid steps."""
    W, U, v = (np.array(w) for w in (layer.query_kernel, layer.memory_kernel, layer.score_kernel))
    contexts = np.zeros((*query.shape[:2], memory.shape[2]))
    weights = np.zeros((*query.shape[:2], memory.shape[1]))
    for b in range(query.shape[0]):
        for q in range(query.shape[1]):
            scores = [v[:, 0] @ np.tanh(W.T @ query[b, q] + U.T @ memory[b, s]) for s in range(length[b])]
            weights[b, q, : length[b]] = softmax(scores)
            for s in range(length[b]):
                contexts[b, q] += weights[b, q, s] * memory[b, s]
    return contexts, weights


@pytest.mark.smoke
def test_bahdanau_oracle(attention):
    context, weights = attention([QUERY, MEMORY], memory_mask=MASK)
    expected_context, expected_weights = bahdanau(attention, QUERY, MEMORY, LENGTH)
    np.testing.assert_allclose(context, expected_context, atol=1e-6)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)
    assert np.abs(expected_weights[0] - 1 / STEPS).max() > 0.05  # not the uniform weights of a trivial layer


def test_without_a_mask_all_steps_count(attention):
    context, weights = attention([QUERY, MEMORY])
    expected_context, expected_weights = bahdanau(attention, QUERY, MEMORY, [STEPS, STEPS])
    np.testing.assert_allclose(context, expected_context, atol=1e-6)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)


def test_masked_steps_have_no_weight_and_do_not_matter(attention):
    garbage = np.where(MASK[:, :, None], MEMORY, 1e3).astype(np.float32)
    context, weights = attention([QUERY, garbage], memory_mask=MASK)
    np.testing.assert_array_equal(weights.numpy()[1, :, 3:], 0.0)
    np.testing.assert_allclose(np.sum(weights, -1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(context, attention([QUERY, MEMORY], memory_mask=MASK)[0], atol=1e-6)


def test_weights_depend_on_the_query(attention):
    _, weights = attention([QUERY, MEMORY], memory_mask=MASK)
    weights = weights.numpy()
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(weights[:, first] - weights[:, second]).max(-1).min() > 1e-3


def test_queries_share_a_memory_and_do_not_see_each_other(attention):
    together, _ = attention([QUERY, MEMORY], memory_mask=MASK)
    for q in range(QUERIES):
        alone, _ = attention([QUERY[:, q : q + 1], MEMORY], memory_mask=MASK)
        np.testing.assert_allclose(together[:, q : q + 1], alone, atol=1e-6)


def test_batch_order_is_kept(attention):
    context, weights = attention([QUERY, MEMORY], memory_mask=MASK)
    swapped_context, swapped_weights = attention([QUERY[::-1], MEMORY[::-1]], memory_mask=MASK[::-1])
    np.testing.assert_allclose(swapped_context[::-1], context, atol=1e-6)
    np.testing.assert_allclose(swapped_weights[::-1], weights, atol=1e-6)


def test_the_same_in_a_graph_and_in_a_dataset(attention):
    expected = attention([QUERY, MEMORY], memory_mask=MASK)
    traced = tf.function(lambda q, m, mask: attention([q, m], memory_mask=mask))
    dataset = tf.data.Dataset.from_tensors((QUERY, MEMORY, MASK)).map(traced)
    for actual in (traced(QUERY, MEMORY, MASK), next(iter(dataset))):
        for tensor, wanted in zip(actual, expected, strict=True):
            np.testing.assert_allclose(tensor, wanted, atol=1e-6)


def test_masked_softmax_of_a_row_without_valid_steps_is_finite():
    weights = masked_softmax(tf.constant([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), [[False] * 3, [True, False, True]])
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights[1], [1 / (1 + np.e**2), 0, np.e**2 / (1 + np.e**2)], rtol=1e-5)


def test_bahdanau_shapes_and_config(attention):
    shapes = attention.compute_output_shape([(None, QUERIES, QUERY_DIM), (None, STEPS, MEMORY_DIM)])
    assert tuple(map(tuple, shapes)) == ((None, QUERIES, MEMORY_DIM), (None, QUERIES, STEPS))
    assert [tuple(w.shape) for w in attention.weights] == [(QUERY_DIM, UNITS), (MEMORY_DIM, UNITS), (UNITS, 1)]
    copy = BahdanauAttention.from_config(attention.get_config())
    assert copy.get_config() == attention.get_config()
    copy.build([(None, None, QUERY_DIM), (None, None, MEMORY_DIM)])
    copy.set_weights(attention.get_weights())
    np.testing.assert_allclose(copy([QUERY, MEMORY])[0], attention([QUERY, MEMORY])[0], atol=1e-6)


@pytest.mark.smoke
def test_pooling_oracle():
    layer = AttentionPooling()
    pooled, weights = layer(MEMORY, source_mask=MASK)
    kernel = np.array(layer.kernel)[:, 0]
    for b in range(BATCH):
        expected = softmax([kernel @ MEMORY[b, s] for s in range(LENGTH[b])])
        np.testing.assert_allclose(weights[b, : LENGTH[b]], expected, atol=1e-6)
        np.testing.assert_array_equal(weights[b, LENGTH[b] :], 0.0)
        total = sum(expected[s] * MEMORY[b, s] for s in range(LENGTH[b]))
        np.testing.assert_allclose(pooled[b], total, atol=1e-6)
    assert tuple(map(tuple, layer.compute_output_shape((BATCH, STEPS, MEMORY_DIM)))) == (
        (BATCH, MEMORY_DIM),
        (BATCH, STEPS),
    )


def test_last_step_marks_the_last_valid_one():
    mask = np.arange(4) < np.array([[4], [1], [3]])
    np.testing.assert_array_equal(LastStep()(mask), [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_array_equal(LastStep()(np.ones((2, 1), bool)), [[1], [1]])
