import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.layers.attention import BahdanauAttention
from tests.parity.stacks import addons_attention, normal, randomize

QUERIES, QUERY_DIM, MEMORY_DIM, UNITS = 2, 6, 4, 8


class FlippedAttention(BahdanauAttention):
    """A copy with one sign wrong: `v · tanh(W query - U memory)`."""

    def scores(self, query, keys):
        return super().scores(query, -keys)


def make_case(kind, seed, batch, steps):
    """Attention with random weights, queries, memory, and a mask with at least one valid step a row."""
    rng = np.random.default_rng(seed)
    attention = kind(UNITS)
    attention.build([(None, None, QUERY_DIM), (None, None, MEMORY_DIM)])
    randomize(attention, rng)
    mask = rng.random((batch, steps)) < 0.6
    mask[np.arange(batch), rng.integers(0, steps, batch)] = True
    return attention, normal(rng, batch, QUERIES, QUERY_DIM), normal(rng, batch, steps, MEMORY_DIM) * 4, mask


def compare(attention, query, memory, mask):
    """Raises where scores, weights or contexts of some query differ from tensorflow-addons' by more than 1e-5.

    Scores are compared in valid steps: tensorflow-addons zeroes the memory elsewhere, which nobody sees after the mask.
    """
    theirs = addons_attention(attention, memory, mask)
    context, weights = attention([query, memory], memory_mask=tf.constant(mask))
    scores = attention.scores(query, attention.project_memory(tf.constant(memory)))
    nothing = tf.zeros(memory.shape[:2])
    normalize = theirs.probability_fn
    for q in range(QUERIES):
        theirs.probability_fn = lambda score, _: score
        wanted_scores, _ = theirs([query[:, q], nothing])
        np.testing.assert_allclose(scores[:, q].numpy()[mask], wanted_scores.numpy()[mask], atol=1e-5)
        theirs.probability_fn = normalize
        wanted, _ = theirs([query[:, q], nothing])
        np.testing.assert_allclose(weights[:, q], wanted, atol=1e-6)
        wanted_context = tf.matmul(wanted[:, None, :], theirs.values)[:, 0]
        np.testing.assert_allclose(context[:, q], wanted_context, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 3), steps=st.integers(1, 5))
def test_scores_weights_and_contexts_are_those_of_addons(seed, batch, steps):
    compare(*make_case(BahdanauAttention, seed, batch, steps))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sign_error_is_caught(seed):
    case = make_case(FlippedAttention, seed, 3, 5)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        compare(*case)


def test_a_row_without_valid_steps_has_even_weights_in_both():
    """The contexts then differ: ours is the mean of that memory, theirs is 0, since they zero it."""
    attention, query, memory, mask = make_case(BahdanauAttention, 0, 3, 5)
    mask[1] = False
    wanted, _ = addons_attention(attention, memory, mask)([query[:, 0], tf.zeros([3, 5])])
    _, weights = attention([query, memory], memory_mask=tf.constant(mask))
    np.testing.assert_allclose(weights[:, 0], wanted, atol=1e-6)
    np.testing.assert_allclose(wanted[1], 0.2, atol=1e-6)
