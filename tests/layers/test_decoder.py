import itertools

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.decoder import AttentionDecoder, StartFrame
from mmtrans.layers.decoder_state import DecoderState, Feedback

BATCH, TARGET_STEPS, STEPS, DIM, MEMORY_DIM, UNITS, ATTENTION_UNITS = 2, 3, 5, 6, 4, 7, 8
LENGTH = np.array([5, 3])
MASK = np.arange(STEPS) < LENGTH[:, None]
OPTIONS = list(itertools.product(["lstm", "gru"], [ATTENTION_UNITS, None]))


def normal(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


INPUT = normal(BATCH, TARGET_STEPS, DIM, seed=1)
MEMORY = normal(BATCH, STEPS, MEMORY_DIM, seed=2)
MAX_DISTANCE = 2
STATES = [normal(BATCH, UNITS, seed=3), normal(BATCH, UNITS, seed=4)]


def make_decoder(cell, attention_units):
    """A decoder with random weights, biases included, and the initial states of its cell."""
    decoder = AttentionDecoder(UNITS, cell, attention_units, max_distance=MAX_DISTANCE)
    states = STATES[: decoder.num_states]
    decoder.build([INPUT.shape, MEMORY.shape, *[s.shape for s in states]])
    rng = np.random.default_rng(5)
    decoder.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.5 for w in decoder.get_weights()])
    return decoder, states


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def place(t, source_steps, target_steps):
    """The source step on which the middle of target step `t` falls: a loop over the source's ends."""
    middle, step = (t + 0.5) / target_steps, 0
    while (step + 1) / source_steps <= middle:
        step += 1
    return step


def attend(decoder, query, memory, t):
    """Context and weights of a query at the source's step `t` over the valid steps of one memory."""
    attention, bias = decoder.attention, np.array(decoder.distance_bias)
    W, U, v = (np.array(w) for w in (attention.query_kernel, attention.memory_kernel, attention.score_kernel))
    scores = np.array([v[:, 0] @ np.tanh(query @ W + step @ U) for step in memory])
    scores += [bias[int(np.clip(t - s, -MAX_DISTANCE, MAX_DISTANCE)) + MAX_DISTANCE] for s in range(len(memory))]
    weights = np.exp(scores) / np.exp(scores).sum()
    return sum(w * step for w, step in zip(weights, memory, strict=True)), weights


def oracle(decoder, states, target_length=None):
    """The whole teacher-forced decoder with input feeding, row by row and step by step."""
    W, U, b = (np.array(w) for w in (decoder.input_kernel, decoder.recurrent_kernel, decoder.bias))
    if decoder.attention is not None:  # one kernel on the concatenated [previous target; previous context]
        W = np.concatenate([W, np.array(decoder.context_kernel)])
    outputs = np.zeros((BATCH, TARGET_STEPS, UNITS + (0 if decoder.attention is None else MEMORY_DIM)))
    weights = np.zeros((BATCH, TARGET_STEPS, STEPS))
    for row, n in enumerate(LENGTH):
        h, c = states[0][row], states[-1][row]
        context = np.zeros(0 if decoder.attention is None else MEMORY_DIM)
        for t in range(TARGET_STEPS):
            x = np.concatenate([INPUT[row, t], context])
            if decoder.cell == "lstm":
                i, f, g, o = np.split(x @ W + h @ U + b, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            else:
                xz, xr, xh = np.split(x @ W + b, 3)
                hz, hr, hh = np.split(h @ U + np.array(decoder.recurrent_bias), 3)
                z, r = sigmoid(xz + hz), sigmoid(xr + hr)
                h = z * h + (1 - z) * np.tanh(xh + r * hh)
            if decoder.attention is not None:
                position = t if target_length is None else place(t, n, target_length[row])
                context, weights[row, t, :n] = attend(decoder, h, MEMORY[row, :n], position)
            outputs[row, t] = np.concatenate([h, context])
    return outputs, weights


@pytest.mark.smoke
@pytest.mark.parametrize(("cell", "attention_units"), OPTIONS)
def test_teacher_forced_oracle(cell, attention_units):
    decoder, states = make_decoder(cell, attention_units)
    outputs, weights = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    expected_outputs, expected_weights = oracle(decoder, states)
    np.testing.assert_allclose(outputs, expected_outputs, atol=1e-5)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)


def stepwise(decoder, states, decoder_input, memory, mask, target_length=None):
    """The decoder, one call of `step` at a time."""
    prepared = decoder.prepare(memory, mask, target_length)
    state, outputs, weights = decoder.start(states, prepared), [], []
    for t in range(decoder_input.shape[1]):
        gates = decoder.project_inputs(decoder_input[:, t : t + 1])
        output, state, attention_weights = decoder.step(gates, state, prepared)
        outputs.append(output)
        weights.append(attention_weights)
    return np.concatenate(outputs, 1), np.concatenate(weights, 1)


@pytest.mark.parametrize(("cell", "attention_units"), OPTIONS)
def test_stepwise_equals_teacher_forced(cell, attention_units):
    decoder, states = make_decoder(cell, attention_units)
    outputs, weights = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    actual_outputs, actual_weights = stepwise(decoder, states, INPUT, tf.constant(MEMORY), MASK)
    np.testing.assert_allclose(actual_outputs, outputs, atol=1e-6)
    np.testing.assert_allclose(actual_weights, weights, atol=1e-6)


@pytest.mark.smoke
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("target_length", [[3, 2], [2, 3], [1, 3]])
def test_a_target_of_its_own_steps_looks_where_its_step_lies_over_the_source(cell, target_length):
    decoder, states = make_decoder(cell, ATTENTION_UNITS)
    length = tf.constant(target_length)
    outputs, weights = decoder([INPUT, MEMORY, *states], memory_mask=MASK, target_length=length)
    expected_outputs, expected_weights = oracle(decoder, states, target_length)
    np.testing.assert_allclose(outputs, expected_outputs, atol=1e-5)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
    actual_outputs, actual_weights = stepwise(decoder, states, INPUT, tf.constant(MEMORY), MASK, length)
    np.testing.assert_allclose(actual_outputs, outputs, atol=1e-6)
    np.testing.assert_allclose(actual_weights, weights, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_target_of_the_source_s_steps_is_no_other_where_they_are_counted(cell):
    decoder, states = make_decoder(cell, ATTENTION_UNITS)
    plain = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    counted = decoder([INPUT, MEMORY, *states], memory_mask=MASK, target_length=tf.constant(LENGTH))
    for expected, actual in zip(plain, counted, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(("words", "frames"), [(4, 12), (7, 5), (3, 1)])
def test_before_it_learns_a_frame_looks_at_its_own_word(words, frames):
    """Twelve frames a word, or five: with no content in the scores, the likeliest word is the one that is spoken."""
    decoder = AttentionDecoder(UNITS, "lstm", ATTENTION_UNITS, max_distance=16)
    inputs = [np.zeros((1, words * frames, DIM)), np.zeros((1, words, MEMORY_DIM)), *np.zeros((2, 1, UNITS))]
    decoder.build([x.shape for x in inputs])
    inputs = [x.astype(np.float32) for x in inputs]
    mask, length = np.ones((1, words), bool), tf.constant([words * frames])
    _, weights = decoder(inputs, memory_mask=mask, target_length=length)
    np.testing.assert_array_equal(np.argmax(weights[0], -1), np.repeat(np.arange(words), frames))


@pytest.mark.parametrize(("cell", "attention_units"), OPTIONS)
def test_own_frames_are_read_where_wanted(cell, attention_units):
    decoder, states = make_decoder(cell, attention_units)
    memory = decoder.prepare(tf.constant(MEMORY), MASK)
    own = np.array([[False, True, False], [False, True, True]])
    head = normal(decoder.output_dim(MEMORY_DIM), DIM, seed=9), normal(DIM, seed=10)
    outputs, weights = decoder.decode(tf.constant(INPUT), states, memory, Feedback(own, *head))
    # By the definition: each own frame is what the head makes of the step before.
    read = INPUT.copy()
    for t in range(1, TARGET_STEPS):
        before, _ = stepwise(decoder, states, read, tf.constant(MEMORY), MASK)
        read[own[:, t], t] = (before[:, t - 1] @ head[0] + head[1])[own[:, t]]
    expected_outputs, expected_weights = stepwise(decoder, states, read, tf.constant(MEMORY), MASK)
    np.testing.assert_allclose(outputs, expected_outputs, atol=1e-5)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)


@pytest.mark.parametrize(("cell", "attention_units"), OPTIONS)
def test_hypotheses_share_a_memory(cell, attention_units):
    decoder, _ = make_decoder(cell, attention_units)
    memory, queries = decoder.prepare(tf.constant(MEMORY), MASK), TARGET_STEPS
    width = 0 if attention_units is None else MEMORY_DIM
    cell = tuple(normal(BATCH, queries, UNITS, seed=6 + i) for i in range(decoder.num_states))
    position = np.arange(BATCH * queries, dtype=np.int32).reshape(BATCH, queries) % 4
    state = DecoderState(cell, normal(BATCH, queries, width, seed=8), position)
    gates = decoder.project_inputs(INPUT)
    together = decoder.step(gates, state, memory)
    for q in range(queries):
        one = slice(q, q + 1)
        alone = decoder.step(gates[:, one], tf.nest.map_structure(lambda x, one=one: x[:, one], state), memory)
        flat = zip(tf.nest.flatten(alone), tf.nest.flatten(together), strict=True)
        for expected, actual in flat:
            np.testing.assert_allclose(actual[:, one], expected, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_attention_changes_with_the_decoder_state(cell):
    decoder, states = make_decoder(cell, ATTENTION_UNITS)
    _, weights = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    weights = weights.numpy()
    assert np.abs(weights[:, 1:] - weights[:, :-1]).max(-1).min() > 1e-3
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(weights[1, :, 3:], 0.0)
    _, other = decoder([INPUT, MEMORY, *[-s for s in states]], memory_mask=MASK)
    assert np.abs(other - weights)[:, 0].max(-1).min() > 1e-3


@pytest.mark.parametrize(("cell", "attention_units"), OPTIONS)
def test_padding_and_batch_order_do_not_matter(cell, attention_units):
    decoder, states = make_decoder(cell, attention_units)
    outputs, weights = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    memory = np.full((BATCH, STEPS + 2, MEMORY_DIM), 50.0, np.float32)
    memory[:, :STEPS] = np.where(MASK[:, :, None], MEMORY, -50.0)
    decoder_input = np.concatenate([INPUT, np.full((BATCH, 1, DIM), 50.0, np.float32)], 1)
    inputs = [array[::-1] for array in (decoder_input, memory, *states)]
    padded, padded_weights = decoder(inputs, memory_mask=np.pad(MASK, [(0, 0), (0, 2)])[::-1])
    np.testing.assert_allclose(padded[::-1, :TARGET_STEPS], outputs, atol=1e-6)
    np.testing.assert_allclose(padded_weights[::-1, :TARGET_STEPS, :STEPS], weights, atol=1e-6)


def test_the_future_is_not_seen():
    decoder, states = make_decoder("lstm", ATTENTION_UNITS)
    outputs, _ = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    changed = INPUT.copy()
    changed[:, 1] += 1.0
    other, _ = decoder([changed, MEMORY, *states], memory_mask=MASK)
    np.testing.assert_array_equal(other[:, 0], outputs[:, 0])
    assert np.abs(other - outputs)[:, 1:].max(-1).min() > 1e-3


def test_the_same_inside_a_graph():
    decoder, states = make_decoder("gru", ATTENTION_UNITS)
    signature = [tf.TensorSpec([None, None, DIM]), tf.TensorSpec([None, None, MEMORY_DIM])]
    traced = tf.function(
        lambda x, memory, mask, state: decoder([x, memory, state], memory_mask=mask),
        input_signature=[*signature, tf.TensorSpec([None, None], tf.bool), tf.TensorSpec([None, UNITS])],
    )
    expected = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    for actual, wanted in zip(traced(INPUT, MEMORY, MASK, states[0]), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-6)


def test_the_forget_gate_starts_open():
    decoder = AttentionDecoder(2, "lstm", None)
    decoder.build([(None, None, 3), (None, None, 4), (None, 2), (None, 2)])
    np.testing.assert_array_equal(np.array(decoder.bias), [0, 0, 1, 1, 0, 0, 0, 0])
    decoder = AttentionDecoder(2, "gru", None)
    decoder.build([(None, None, 3), (None, None, 4), (None, 2)])
    np.testing.assert_array_equal(np.array(decoder.bias), np.zeros(6))


@pytest.mark.parametrize(("cell", "attention_units"), OPTIONS)
def test_config_and_shapes_round_trip(cell, attention_units):
    decoder, states = make_decoder(cell, attention_units)
    copy = AttentionDecoder.from_config(decoder.get_config())
    assert copy.get_config() == decoder.get_config()
    copy.build([INPUT.shape, MEMORY.shape, *[s.shape for s in states]])
    copy.set_weights(decoder.get_weights())
    expected, weights = decoder([INPUT, MEMORY, *states], memory_mask=MASK)
    np.testing.assert_allclose(copy([INPUT, MEMORY, *states], memory_mask=MASK)[0], expected, atol=1e-6)
    shapes = decoder.compute_output_shape([INPUT.shape, MEMORY.shape, *[s.shape for s in states]])
    assert tuple(map(tuple, shapes)) == (tuple(expected.shape), tuple(weights.shape))


def test_start_frame_replaces_the_first_step_only():
    layer = StartFrame()
    layer.build((None, None, DIM))
    layer.set_weights([np.arange(DIM, dtype=np.float32)])
    outputs = layer(INPUT).numpy()
    np.testing.assert_array_equal(outputs[:, 0], np.tile(np.arange(DIM), (BATCH, 1)))
    np.testing.assert_array_equal(outputs[:, 1:], INPUT[:, 1:])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(INPUT))
    np.testing.assert_array_equal(tape.gradient(total, layer.trainable_variables)[0], [BATCH] * DIM)
