import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.decoding.beam_search import FORBIDDEN, beam_search
from mmtrans.decoding.options import SearchOptions

VOCABULARY, BATCH, STEPS, UNITS = 3, 2, 4, 6
BOS, EOS = 0, 1
MASK = np.array([[True, True, True, False], [True, True, True, True]])


@functools.cache
def random_step(seed, peaked=2.0):
    """A recurrent step function with random weights; each row of the batch has a bias of its own."""
    rng = np.random.default_rng(seed)
    embed, recurrent, attend = (
        rng.normal(size=shape).astype(np.float32) for shape in ((VOCABULARY, UNITS), (UNITS, UNITS), (UNITS, STEPS))
    )
    head = peaked * rng.normal(size=(UNITS, VOCABULARY)).astype(np.float32)
    rows = rng.normal(size=(BATCH, UNITS)).astype(np.float32)

    def step(tokens, state):
        state = tf.tanh(tf.gather(embed, tokens) + tf.tensordot(state, recurrent, 1) + rows[:, None, :])
        scores = tf.where(MASK[:, None, :], tf.tensordot(state, attend, 1), -1e9)
        return tf.tensordot(state, head, 1), state, tf.nn.softmax(scores)

    return step


def start():
    return tf.zeros([BATCH, 1, UNITS])


def search(step, limits, **options):
    limits = tuple(np.asarray(limit, np.int32) for limit in limits)
    return beam_search(step, start(), MASK, BOS, EOS, limits, SearchOptions(**options))


def enumerate_row(step, row, limits, length_penalty, coverage_penalty, temperature):
    """Every hypothesis of one row within the limits, best first: (score, ids, log P, attention)."""
    low, high = limits[0][row], limits[1][row]
    found = []

    def grow(ids, state, log_prob, attention):
        logits, state, weights = step(tf.fill([BATCH, 1], ids[-1] if ids else BOS), state)
        log_probs = tf.nn.log_softmax(logits / temperature)[row, 0].numpy()
        attention = [*attention, weights[row, 0].numpy()]
        for token in range(VOCABULARY):
            total = log_prob + log_probs[token]
            if token == EOS and len(ids) >= low:
                length = len(ids) + 1
                seen = np.sum(attention, 0)
                coverage = sum(
                    np.log(max(min(s, 1.0), 1e-10)) for s, valid in zip(seen, MASK[row], strict=True) if valid
                )
                score = total / ((5 + length) / 6) ** length_penalty + coverage_penalty * coverage
                found.append((score, [*ids, EOS], total, np.array(attention)))
            elif token != EOS and len(ids) < high:
                grow([*ids, token], state, total, attention)

    grow([], start(), 0.0, [])
    return sorted(found, key=lambda item: -item[0])


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    low=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    extra=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    length_penalty=st.sampled_from([0.0, 0.6, 1.0, -0.5]),
    coverage_penalty=st.sampled_from([0.0, 0.3, -0.2]),
    temperature=st.sampled_from([1.0, 0.7]),
)
def test_a_wide_enough_beam_is_full_enumeration(seed, low, extra, length_penalty, coverage_penalty, temperature):
    step, limits = random_step(seed), (low, tuple(a + b for a, b in zip(low, extra, strict=True)))
    expected = [enumerate_row(step, row, limits, length_penalty, coverage_penalty, temperature) for row in range(BATCH)]
    n_best = min(3, *(len(hypotheses) for hypotheses in expected))
    found = search(
        step,
        limits,
        beam_width=VOCABULARY ** (max(limits[1]) + 1),
        n_best=n_best,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
        temperature=temperature,
    )
    for row in range(BATCH):
        for n, (score, ids, log_prob, attention) in enumerate(expected[row][:n_best]):
            length = int(found.lengths[row, n])
            assert float(found.scores[row, n]) == pytest.approx(score, abs=1e-4)
            assert float(found.log_probs[row, n]) == pytest.approx(log_prob, abs=1e-4)
            assert found.ids[row, n, :length].numpy().tolist() == ids
            assert set(found.ids[row, n, length:].numpy().tolist()) <= {EOS}
            np.testing.assert_allclose(found.attention_weights[row, n, :length], attention, atol=1e-5)
            assert not np.any(found.attention_weights[row, n, length:])


def greedy(step, limits, row):
    ids, state = [], start()
    while True:
        logits, state, _ = step(tf.fill([BATCH, 1], ids[-1] if ids else BOS), state)
        log_probs = tf.nn.log_softmax(logits)[row, 0].numpy()
        allowed = (
            [EOS]
            if len(ids) >= limits[1][row]
            else [t for t in range(VOCABULARY) if t != EOS or len(ids) >= limits[0][row]]
        )
        ids.append(max(allowed, key=lambda token: log_probs[token]))
        if ids[-1] == EOS:
            return ids


@pytest.mark.smoke
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("penalties", [(0.0, 0.0), (1.0, 0.2)])
def test_width_one_is_greedy(seed, penalties):
    step, limits = random_step(seed), ([1, 0], [5, 6])
    found = search(step, limits, beam_width=1, length_penalty=penalties[0], coverage_penalty=penalties[1])
    for row in range(BATCH):
        expected = greedy(step, limits, row)
        assert found.ids[row, 0, : int(found.lengths[row, 0])].numpy().tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_stopping_early_changes_nothing(seed, monkeypatch):
    step, options = random_step(seed, peaked=5.0), {"beam_width": 4, "n_best": 2, "length_penalty": 0.8}
    early = search(step, ([0, 1], [12, 9]), **options)
    monkeypatch.setattr("mmtrans.decoding.beam_search._Search.undecided", lambda *_: tf.constant(True))
    late = search(step, ([0, 1], [12, 9]), **options)
    steps = early.ids.shape[2]
    assert steps <= late.ids.shape[2] == 13
    np.testing.assert_array_equal(early.lengths, late.lengths)
    np.testing.assert_array_equal(early.ids, late.ids[:, :, :steps])
    np.testing.assert_allclose(early.scores, late.scores, atol=1e-5)


def test_it_does_stop_early():
    def step(tokens, state):
        logits = tf.tile(tf.constant([[[-9.0, 9.0, -9.0]]]), [BATCH, tf.shape(tokens)[1], 1])
        return logits, state, tf.fill([BATCH, tf.shape(tokens)[1], STEPS], 0.25)

    assert search(step, ([0, 0], [50, 50]), beam_width=3).ids.shape[2] < 5


def test_hypotheses_are_sorted_and_within_the_limits():
    found = search(random_step(3), ([2, 4], [4, 4]), beam_width=6, n_best=4, length_penalty=0.5)
    assert (np.diff(found.scores, axis=1) <= 1e-6).all()
    tokens = found.lengths.numpy() - 1
    assert tokens[0].min() >= 2
    assert tokens[0].max() <= 4
    assert (tokens[1] == 4).all()


def as_module(step):
    """The search with every number a tensor, as a SavedModel would hold it."""

    class Module(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([BATCH], tf.int32),
                tf.TensorSpec([], tf.int32),
                tf.TensorSpec([], tf.int32),
                tf.TensorSpec([], tf.float32),
                tf.TensorSpec([], tf.float32),
            ]
        )
        def search(self, high, beam_width, n_best, length_penalty, coverage_penalty):
            options = SearchOptions(beam_width, n_best, length_penalty, coverage_penalty)
            found = beam_search(step, start(), MASK, BOS, EOS, (tf.zeros_like(high), high), options)
            return found._asdict()

    return Module()


@pytest.mark.smoke
def test_eager_graph_and_reloaded_are_the_same(tmp_path):
    step = random_step(7)
    module = as_module(step)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    reloaded = tf.saved_model.load(str(tmp_path / "saved"))
    for width, n_best, high in ((3, 2, [5, 3]), (6, 1, [2, 7])):
        numbers = [tf.constant(value) for value in (high, width, n_best, 0.6, 0.1)]
        eager = search(step, ([0, 0], high), beam_width=width, n_best=n_best, length_penalty=0.6, coverage_penalty=0.1)
        for run in (module.search, reloaded.search):
            for name, value in run(*numbers).items():
                np.testing.assert_allclose(value, getattr(eager, name), atol=1e-5)


def test_sampling_is_seeded_and_top_one_is_greedy():
    step, limits = random_step(11), ([1, 1], [6, 6])
    draw = functools.partial(search, step, limits, beam_width=4, n_best=4, sample_top_k=3)
    first, again, other = draw(seed=(1, 2)), draw(seed=(1, 2)), draw(seed=(1, 3))
    np.testing.assert_array_equal(first.ids, again.ids)
    assert first.ids.shape != other.ids.shape or np.any(first.ids != other.ids)
    only = search(step, limits, beam_width=2, n_best=2, sample_top_k=1)
    for row in range(BATCH):
        for n in range(2):
            assert only.ids[row, n, : int(only.lengths[row, n])].numpy().tolist() == greedy(step, limits, row)


def constant_step(probabilities):
    """A step function that knows one distribution, for any batch."""

    def step(tokens, state):
        batch, beams = tf.unstack(tf.shape(tokens))
        logits = tf.math.log(tf.constant(probabilities))
        return tf.tile(logits[None, None], [batch, beams, 1]), state, tf.fill([batch, beams, 1], 1.0)

    return step


def sample(probabilities, batch, steps, **options):
    """Hypotheses `(batch, n_best, steps + 1)` of exactly that many tokens."""
    limits, mask = tf.fill([batch], steps), tf.ones([batch, 1], tf.bool)
    step, state = constant_step(probabilities), tf.zeros([batch, 1, 1])
    return beam_search(step, state, mask, BOS, EOS, (limits, limits), SearchOptions(**options)).ids.numpy()


def test_sampled_tokens_follow_the_distribution():
    ids = sample([0.5, 1e-9, 0.25], 2, 1, n_best=600, sample_top_k=2, seed=(5, 0))
    assert abs(np.mean(ids[:, :, 0] == 0) - 2 / 3) < 0.05


@pytest.mark.parametrize("options", [{}, {"beam_width": 9}, {"n_best": 3, "beam_width": 3}])
def test_draws_are_no_best_of_several(options):
    ids = sample([0.6, 1e-9, 0.4], 400, 1, sample_top_k=3, seed=(7, 0), **options)
    assert ids.shape == (400, options.get("n_best", 1), 2)
    assert abs(np.mean(ids[:, :, 0] == 0) - 0.6) < 0.08


def test_a_row_s_draws_follow_from_its_own_seed():
    seeds = np.array([[1, 2], [3, 4], [1, 2], [-5, 6]], np.int32)
    draw = functools.partial(sample, [0.4, 1e-9, 0.3, 0.3], steps=40, n_best=2, sample_top_k=4)
    ids = draw(batch=4, seed=seeds)
    np.testing.assert_array_equal(ids[0], ids[2])
    for row in (1, 3):
        assert np.mean(ids[0] == ids[row]) < 0.7
        np.testing.assert_array_equal(draw(batch=1, seed=seeds[row : row + 1])[0], ids[row])
    assert np.mean(draw(batch=2, seed=(1, 2))[0] == draw(batch=2, seed=(1, 2))[1]) < 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_width": 0}, r"beam_width is out of range\. Expected at least 1\."),
        ({"length_penalty": float("inf")}, r"length_penalty is out of range\. .*length_penalty=inf"),
        ({"coverage_penalty": float("nan")}, r"coverage_penalty is out of range\. .*coverage_penalty=nan"),
        ({"temperature": 1e-30}, r"temperature is out of range\. Expected a value between 0\.001 and 1000\.0"),
        ({"sample_top_k": -1}, r"sample_top_k is out of range\."),
        ({"seed": (2**31, 0)}, r"seed is out of range\. Expected at most 2147483647\."),
        ({"beam_width": 2, "n_best": 3}, r"at most its width\. Expected n_best up to 2\. Received: n_best=3\."),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SearchOptions(**options)
    # A graph's numbers are known when it runs.
    SearchOptions(
        **{name: tf.constant(value) for name, value in options.items() if name not in ("seed", "sample_top_k")}
    )


def test_the_strongest_penalties_leave_a_hypothesis_of_every_row():
    for length, coverage in itertools.product((-5.0, 0.0, 5.0), (-100.0, 100.0)):
        found = search(random_step(5), ([1, 3], [9, 30]), length_penalty=length, coverage_penalty=coverage)
        assert np.isfinite(found.scores).all()
        assert (found.log_probs.numpy() > FORBIDDEN / 2).all()
