import numpy as np
import pytest
import tensorflow as tf

from tests.parity.stacks import addons_decoder, first_state, make_decoder, normal

TARGET_STEPS, DIM = 3, 6


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_decoder_is_the_attention_wrapper(cell, seed):
    """Teacher forced in one call, against the wrapper step by step: outputs, contexts, weights and cell states."""
    case = make_decoder(cell, seed, input_dim=DIM)
    decoder_input = normal(np.random.default_rng([seed, 1]), len(case.mask), TARGET_STEPS, DIM)
    outputs, weights = case.decoder([decoder_input, case.memory, *case.states], memory_mask=tf.constant(case.mask))

    wrapper = addons_decoder(case.decoder, case.memory, case.mask)
    state = first_state(wrapper, case.states)
    memory = case.decoder.prepare(case.memory, tf.constant(case.mask))
    ours = case.decoder.start(case.states, memory)
    for t in range(TARGET_STEPS):
        wanted, state = wrapper(decoder_input[:, t], state)
        np.testing.assert_allclose(outputs[:, t], wanted, atol=1e-5)
        np.testing.assert_allclose(weights[:, t], state.alignments, atol=1e-6)
        output, ours, _ = case.decoder.step(case.decoder.project_inputs(decoder_input[:, t : t + 1]), ours, memory)
        np.testing.assert_allclose(output[:, 0], wanted, atol=1e-5)
        for actual, cell_state in zip(ours.cell, tf.nest.flatten(state.cell_state), strict=True):
            np.testing.assert_allclose(actual[:, 0], cell_state, atol=1e-5)
    assert np.abs(np.diff(weights, axis=1))[0].max(-1).min() > 1e-3


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_without_the_previous_context_it_is_another_function(cell):
    """The comparison above reads the input feeding: a wrapper that feeds back zeros does not pass it."""
    case = make_decoder(cell, 0, input_dim=DIM)
    decoder_input = normal(np.random.default_rng(1), len(case.mask), 2, DIM)
    outputs, _ = case.decoder([decoder_input, case.memory, *case.states], memory_mask=tf.constant(case.mask))
    wrapper = addons_decoder(case.decoder, case.memory, case.mask)
    state = first_state(wrapper, case.states)
    _, state = wrapper(decoder_input[:, 0], state)
    wanted, _ = wrapper(decoder_input[:, 1], state.clone(attention=tf.zeros_like(state.attention)))
    assert np.abs(outputs[:, 1] - wanted).max() > 1e-2
