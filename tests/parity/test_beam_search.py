"""Our beam search and `tfa.seq2seq.BeamSearchDecoder` over one and the same decoder, in whole: embedding, recurrent
cell, attention, head.

Both divide by `((5 + L) / 6)^length_penalty` and add `coverage_penalty · Σ log min(Σ attention, 1)`, both count EOS in
L and in log P, and both keep finished hypotheses beside the open ones. They part in when they do so.

1. tensorflow-addons ranks a hypothesis in the very step of its EOS by the length without EOS, and by the one with it in
   later steps. We always count it. So hypotheses of the same length are ranked alike (`--length source`), and so is all
   that a beam wide enough to drop nothing finds, once every hypothesis is a step past its EOS.
2. Its coverage penalty acts on hypotheses that were finished before the step, ours on open ones too, so that a narrow
   beam does not first keep hypotheses for which they are charged later. The same two cases agree.
3. Its coverage passes over a source step whose attention is exactly 0, whether padding or not; ours passes over
   padding, and charges log 1e-10 for a valid step that got nothing.
4. Limits are not part of it: it stops at `maximum_iterations` with open hypotheses and returns them. Ours ends them, as
   the limits say, by EOS with its own log-probability. Here the limits are in the logits that both get.
5. Ours stops early, once no open hypothesis can enter the `n_best`; theirs when all beams are finished.
"""

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.decoding.beam_search import beam_search
from mmtrans.decoding.options import SearchOptions
from mmtrans.models.search_step import make_search_step
from mmtrans.models.targets import TokenTarget
from tests.parity.stacks import addons_decoder, first_state, make_decoder, randomize, tfa

EMBEDDING_UNITS, VOCABULARY, BOS, EOS = 6, 4, 0, 1
BATCH = 3

#: Log-probabilities under this are of hypotheses that the limits forbid.
POSSIBLE = -1e6


class Head(tf.keras.layers.Layer):
    """The target's head, with limits as `limited` has them; it counts its calls, one a step."""

    def __init__(self, target, limits):
        super().__init__()
        self.target, self.limits, self.t = target, limits, 0

    def call(self, outputs):
        logits = limited(self.target.head(outputs)["logits"], self.t, self.limits)
        self.t += 1
        return logits


def limited(logits, t, limits):
    """Logits `(batch, beams, vocabulary)` without EOS before step `limits[0] (batch,)`, only EOS from `limits[1]`."""
    low, high = (tf.constant(limit)[:, None] for limit in limits)
    is_eos = tf.range(VOCABULARY) == EOS
    forbidden = ((t < low) & is_eos) | ((t >= high) & ~is_eos)
    return logits - 1e9 * tf.cast(forbidden, tf.float32)[:, None, :]


def make_target(seed, eos_bias):
    """A tokens target with random weights; the bias makes EOS more likely."""
    target = TokenTarget(Config(target="tokens", embedding_units=EMBEDDING_UNITS), VOCABULARY)
    target.embedding.build((None, None))
    target.projection.build((None, None, 7 + 4))
    rng = np.random.default_rng([seed, 2])
    randomize(target.embedding, rng)
    kernel, bias = (1.5 * rng.normal(size=weight.shape) for weight in target.projection.get_weights())
    bias[EOS] = eos_bias
    target.projection.set_weights([kernel, bias])
    return target


def search_ours(case, target, limits, options):
    """`Hypotheses` of our search, which runs in a graph."""

    @tf.function(autograph=False)
    def search():
        mask = tf.constant(case.mask)
        memory = case.decoder.prepare(case.memory, mask)
        step, state = make_search_step(case.decoder, target, memory, tuple(tf.constant(s) for s in case.states))

        def limited_step(tokens, state):
            logits, after, weights = step(tokens, state)
            return limited(logits, state.position[0, 0], limits), after, weights

        far = (tf.zeros([BATCH], tf.int32), tf.fill([BATCH], 60))
        return beam_search(limited_step, state, mask, BOS, EOS, far, options)

    return search()


def search_theirs(case, target, limits, options, steps):
    """`(ids (batch, steps, beams), log_probs, lengths, scores)` of tensorflow-addons' after so many steps.

    Its own loop stops in the step in which the last beam finishes; that one's score then still lacks its EOS.
    """
    width = options.beam_width
    memory, mask, *states = (np.repeat(x, width, axis=0) for x in (case.memory, case.mask, *case.states))
    wrapper = addons_decoder(case.decoder, tf.constant(memory), mask)
    decoder = tfa.seq2seq.BeamSearchDecoder(
        wrapper,
        width,
        embedding_fn=target.embed,
        output_layer=Head(target, limits),
        length_penalty_weight=options.length_penalty,
        coverage_penalty_weight=options.coverage_penalty,
    )
    _, inputs, state = decoder.initialize(
        None, start_tokens=tf.fill([BATCH], BOS), end_token=EOS, initial_state=first_state(wrapper, states)
    )
    written = []
    for t in range(steps):
        outputs, state, inputs, finished = decoder.step(t, inputs, state)
        written.append(outputs)
    assert finished.numpy().all(), "some hypothesis is still open"
    outputs = tf.nest.map_structure(lambda *steps: tf.stack(steps), *written)
    final, _ = decoder.finalize(outputs, state, None)
    return tf.transpose(final.predicted_ids, [1, 2, 0]), state.log_probs, state.lengths, outputs.scores[-1]


def compare(ours, theirs, n_best):
    """Raises where the best hypotheses, their lengths, log-probabilities or scores differ; returns how many agree."""
    ids, log_probs, lengths, scores = (np.array(value) for value in theirs)
    compared = 0
    for row in range(BATCH):
        for n in range(n_best):
            if log_probs[row, n] < POSSIBLE:
                assert ours.log_probs[row, n] < POSSIBLE
                continue
            length = lengths[row, n]
            assert ours.ids[row, n, :length].numpy().tolist() == ids[row, n, :length].tolist()
            assert ours.lengths[row, n] == length
            assert ids[row, n, length - 1] == EOS
            np.testing.assert_allclose(ours.log_probs[row, n], log_probs[row, n], atol=1e-5, rtol=1e-6)
            np.testing.assert_allclose(ours.scores[row, n], scores[row, n], atol=1e-5, rtol=1e-6)
            compared += 1
    return compared


@pytest.mark.parametrize(("cell", "width", "seed"), [("lstm", 3, 0), ("gru", 3, 1), ("lstm", 1, 1)])
def test_a_narrow_beam_without_penalties(cell, width, seed):
    case, target = make_decoder(cell, seed, BATCH, EMBEDDING_UNITS), make_target(seed, 1.0)
    limits, options = ([0] * BATCH, [7, 6, 7]), SearchOptions(beam_width=width, n_best=width)
    ours = search_ours(case, target, limits, options)
    theirs = search_theirs(case, target, limits, options, steps=8)
    assert compare(ours, theirs, width) == BATCH * width
    assert len(set(np.array(theirs[2]).ravel())) > 1


@pytest.mark.parametrize("seed", [0, 1])
def test_hypotheses_of_one_length_with_a_length_penalty(seed):
    """As with `--length source`: every row has a length of its own, and its hypotheses all have it."""
    case, target = make_decoder("lstm", seed, BATCH, EMBEDDING_UNITS), make_target(seed, 0.0)
    limits, options = ([2, 5, 4], [2, 5, 4]), SearchOptions(beam_width=3, n_best=3, length_penalty=0.8)
    ours = search_ours(case, target, limits, options)
    assert compare(ours, search_theirs(case, target, limits, options, steps=7), 3) == BATCH * 3


@pytest.mark.parametrize(
    ("length_penalty", "coverage_penalty", "seed"), [(0.8, 0.0, 0), (0.0, 0.4, 1), (0.6, 0.2, 0), (0.6, 0.2, 1)]
)
def test_all_hypotheses_with_penalties(length_penalty, coverage_penalty, seed):
    """A beam that drops nothing: all of at most 2 tokens before EOS, so 1 + 3 + 9."""
    case, target = make_decoder("gru", seed, BATCH, EMBEDDING_UNITS), make_target(seed, 0.0)
    penalties = {"length_penalty": length_penalty, "coverage_penalty": coverage_penalty}
    limits, options = ([0, 0, 1], [2, 1, 2]), SearchOptions(beam_width=40, n_best=13, **penalties)
    ours = search_ours(case, target, limits, options)
    assert compare(ours, search_theirs(case, target, limits, options, steps=4), 13) == 13 + 4 + 12


def test_addons_ranks_a_hypothesis_without_its_eos_in_the_step_that_ends_it():
    """Differences 1 and 2 of the list above, in numbers."""
    case, target = make_decoder("lstm", 0, BATCH, EMBEDDING_UNITS), make_target(0, 0.0)
    options = SearchOptions(beam_width=3, n_best=3, length_penalty=0.8, coverage_penalty=0.4)
    limits = ([2] * BATCH, [2] * BATCH)
    _, log_probs, lengths, scores = search_theirs(case, target, limits, options, steps=3)
    assert set(np.array(lengths).ravel()) == {3}
    np.testing.assert_allclose(scores, log_probs / ((5 + 2) / 6) ** 0.8, rtol=1e-5)
    ours = search_ours(case, target, limits, options)
    without_coverage = ours.log_probs / ((5 + 3) / 6) ** 0.8
    assert (ours.scores - without_coverage).numpy().max() < -1e-2


def test_a_wrong_penalty_is_caught():
    case, target = make_decoder("lstm", 0, BATCH, EMBEDDING_UNITS), make_target(0, 0.0)
    limits = ([0] * BATCH, [2] * BATCH)
    ours = search_ours(case, target, limits, SearchOptions(beam_width=40, n_best=13, length_penalty=0.8))
    theirs = search_theirs(case, target, limits, SearchOptions(beam_width=40, length_penalty=0.7), steps=4)
    with pytest.raises(AssertionError):
        compare(ours, theirs, 13)
