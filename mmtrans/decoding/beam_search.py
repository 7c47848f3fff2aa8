"""Beam search, greedy decoding and top-k sampling over a step function: it knows no model and no file.

Pure TensorFlow on dynamic shapes: it runs eagerly, in a `tf.function` and inside a SavedModel, and beam width and
penalties may be scalar tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from mmtrans.decoding.options import SearchOptions

#: Log-probability of what is forbidden. Finite, so that sums and differences of it are no NaN.
FORBIDDEN = -1e9


class Hypotheses(NamedTuple):
    """The best hypotheses of each row, best first.

    Attributes:
        ids: `(batch, n_best, steps)` int32, ending in EOS and filled up with EOS.
        lengths: `(batch, n_best)` int32, EOS counted.
        log_probs: `(batch, n_best)` float32, log P of the whole hypothesis, EOS included.
        scores: `(batch, n_best)` float32, penalised.
        attention_weights: `(batch, n_best, steps, source_steps)` float32; zero after EOS.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    log_probs: tf.Tensor
    scores: tf.Tensor
    attention_weights: tf.Tensor


class _Beams(NamedTuple):
    """Hypotheses under way, all `(batch, beams)`; `state` any nest.

    `coverage` is `(batch, beams, source_steps)`; without its penalty it has no source steps.
    """

    tokens: tf.Tensor
    log_probs: tf.Tensor
    lengths: tf.Tensor
    finished: tf.Tensor
    coverage: tf.Tensor
    state: object


def beam_search(step: Callable, state, source_mask, bos: int, eos: int, limits, options: SearchOptions) -> Hypotheses:
    """Searches for the token sequences of the highest score.

    A finished hypothesis keeps its score and competes with the open ones. The search stops when no open hypothesis
    of any row can still enter the `n_best`: log P only falls, and the penalties are bounded.

    Args:
        step: `(tokens (batch, beams) int32, state) → (logits (batch, beams, vocabulary), state, attention_weights
            (batch, beams, source_steps))`. What the beams of a row share, such as the memory, belongs into its closure.
        state: nest of `(batch, 1, …)` tensors, the state before the first step.
        source_mask: `(batch, source_steps)` bool.
        bos: token that is fed to the first step.
        eos: token that ends a hypothesis.
        limits: `(min_length, max_length)`, each `(batch,)` integer, EOS not counted: EOS is forbidden before
            `min_length` tokens, and nothing else is allowed after `max_length`, which wins where the two disagree.
        options: widths and penalties.

    Returns:
        the hypotheses. Log-probabilities are the model's own: forbidding a token does not renormalise the others.
        Where the limits allow a row fewer than `n_best`, the log-probabilities of the rest are about `FORBIDDEN`.
    """
    search = _Search(step, source_mask, eos, tuple(tf.cast(limit, tf.int32) for limit in limits), options)
    beams = search.start(state, bos)
    max_steps = tf.reduce_max(search.max_length) + 1
    history = tuple(tf.TensorArray(dtype, size=max_steps) for dtype in (tf.int32, tf.int32, tf.float32))

    def body(t, beams, history):
        beams, parents, attention_weights = search.extend(t, beams)
        steps = (beams.tokens, parents, attention_weights)
        return t + 1, beams, tuple(array.write(t, value) for array, value in zip(history, steps, strict=True))

    invariants = tf.nest.map_structure(lambda x: tf.TensorShape([None, None, *x.shape[2:]]), beams)
    t, beams, history = tf.while_loop(
        lambda t, beams, _: (t < max_steps) & search.undecided(t, beams),
        body,
        (tf.constant(0), beams, history),
        shape_invariants=(tf.TensorShape([]), invariants, tuple(tf.TensorShape(None) for _ in history)),
        maximum_iterations=max_steps,
    )
    tokens, parents, attention_weights = (array.gather(tf.range(t)) for array in history)
    best = tf.math.top_k(search.final_scores(beams), options.n_best).indices
    ids, attention_weights = trace_back(tokens, parents, attention_weights, best)
    lengths, log_probs, scores = (
        tf.gather(value, best, batch_dims=1) for value in (beams.lengths, beams.log_probs, search.scores(beams))
    )
    ids.set_shape([source_mask.shape[0], None, None])
    return Hypotheses(ids, lengths, log_probs, scores, attention_weights)


class _Search:
    """The parts of one search that its steps share."""

    def __init__(self, step, source_mask, eos, limits, options):
        self.step = step
        self.source_mask = source_mask
        self.eos = eos
        self.min_length, self.max_length = limits
        self.options = options
        self.width = tf.convert_to_tensor(options.width, tf.int32)
        self.batch = tf.shape(source_mask)[0]
        self.seeds = self._row_seeds() if options.sample_top_k else None

    def _row_seeds(self):
        """The seed of each row, `(batch, 2)` int32."""
        seed = tf.cast(self.options.seed, tf.int32)
        if seed.shape.rank == 2:
            return seed
        return tf.map_fn(lambda row: tf.random.experimental.stateless_fold_in(seed, row), tf.range(self.batch))

    def start(self, state, bos) -> _Beams:
        """Beams before the first step: the first one holds the empty hypothesis, the others nothing yet."""
        shape = [self.batch, self.width]
        log_probs = tf.zeros(shape)
        if not self.options.sample_top_k:
            log_probs += FORBIDDEN * tf.cast(tf.range(self.width) > 0, tf.float32)
        state = tf.nest.map_structure(lambda x: tf.repeat(x, self.width, axis=1), state)
        coverage = tf.zeros([*shape, tf.shape(self.source_mask)[1] if self._has(self.options.coverage_penalty) else 0])
        finished = tf.zeros(shape, tf.bool)
        return _Beams(tf.fill(shape, bos), log_probs, tf.zeros(shape, tf.int32), finished, coverage, state)

    def extend(self, t, beams: _Beams):
        """One step: scores every continuation and keeps the best, or draws one a beam."""
        logits, state, attention_weights = self.step(beams.tokens, beams.state)
        is_open = ~beams.finished
        attention_weights = tf.where(is_open[:, :, None], attention_weights, 0.0)
        beams = beams._replace(lengths=beams.lengths + tf.cast(is_open, tf.int32), state=state)
        if self._has(self.options.coverage_penalty):
            beams = beams._replace(coverage=beams.coverage + attention_weights)

        if self._has(self.options.temperature, 1.0):
            logits = logits / self.options.temperature
        is_eos = tf.range(tf.shape(logits)[2]) == self.eos
        log_probs = tf.nn.log_softmax(logits) + self._forbidden(t, is_eos)[:, None, :]
        choose = self._draw if self.options.sample_top_k else self._best
        parents, tokens, totals = choose(t, log_probs, beams)
        pick = lambda value: tf.gather(value, parents, batch_dims=1)  # noqa: E731
        beams = tf.nest.map_structure(pick, beams)
        beams = beams._replace(tokens=tokens, log_probs=totals, finished=beams.finished | (tokens == self.eos))
        return beams, parents, pick(attention_weights)

    def _best(self, _, log_probs, beams: _Beams):
        """Parents, tokens and log-probabilities, `(batch, beams)`, of the continuations of the highest scores.

        The best `beam_width` of a row are among those tokens whose best scores over its beams are highest. So there
        is no sorting of beams × vocabulary, whose maximum over the beams is cheap.
        """
        divisor, term = self._length_divisor(beams.lengths), self._coverage_term(beams.coverage)
        # A finished hypothesis has one continuation, itself; the others have no such one.
        goes_on = tf.where(beams.finished, 2 * FORBIDDEN, beams.log_probs)
        stays = tf.where(beams.finished, beams.log_probs, 2 * FORBIDDEN)
        scores = log_probs
        if divisor.shape.rank:
            scores = log_probs * (1.0 / divisor)[:, :, None]
        scores += (goes_on / divisor + term)[:, :, None]
        number = tf.minimum(self.width, tf.shape(scores)[2])
        columns = tf.math.top_k(tf.reduce_max(scores, 1), number).indices
        columns = tf.repeat(columns[:, None, :], self.width, axis=1)
        totals = goes_on[:, :, None] + tf.gather(log_probs, columns, batch_dims=2)
        totals = tf.concat([totals, stays[:, :, None]], 2)
        tokens = tf.pad(columns, [[0, 0], [0, 0], [0, 1]], constant_values=self.eos)
        if divisor.shape.rank:
            divisor = divisor[:, :, None]
        scores = totals / divisor + (term[:, :, None] if term.shape.rank else term)
        flat = [self.batch, self.width * (number + 1)]
        best = tf.math.top_k(tf.reshape(scores, flat), self.width).indices
        tokens, totals = (tf.gather(tf.reshape(value, flat), best, batch_dims=1) for value in (tokens, totals))
        return best // (number + 1), tokens, totals

    def _draw(self, t, log_probs, beams: _Beams):
        """Each beam's own continuation, drawn by probability (the Gumbel-max way) from its likeliest ones."""
        top = tf.math.top_k(log_probs, tf.minimum(self.options.sample_top_k, tf.shape(log_probs)[2]))
        shape = tf.shape(top.values)[1:]

        def draw(seed):
            return tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(seed, t), minval=1e-20)

        # Row by row: one draw for all of them would change with the batch that a row is in.
        uniform = tf.map_fn(draw, self.seeds, fn_output_signature=tf.float32)
        drawn = tf.argmax(top.values - tf.math.log(-tf.math.log(uniform)), -1, tf.int32)[:, :, None]
        tokens, values = (tf.gather(x, drawn, batch_dims=2)[:, :, 0] for x in (top.indices, top.values))
        tokens = tf.where(beams.finished, self.eos, tokens)
        totals = beams.log_probs + tf.where(beams.finished, 0.0, values)
        return tf.broadcast_to(tf.range(self.width), tf.shape(tokens)), tokens, totals

    def _forbidden(self, t, is_eos):
        """`FORBIDDEN` for tokens that may not come `t`-th, else 0, `(batch, vocabulary)`."""
        too_late = (t >= self.max_length)[:, None]
        too_early = (t < self.min_length)[:, None] & ~too_late
        return tf.where((too_early & is_eos) | (too_late & ~is_eos), FORBIDDEN, 0.0)

    @staticmethod
    def _has(number, neutral=0.0):
        """Whether an option does anything; of a tensor nobody knows."""
        return tf.is_tensor(number) or number != neutral

    def _length_divisor(self, lengths):
        if not self._has(self.options.length_penalty):
            return tf.ones([])
        return ((5.0 + tf.cast(lengths, tf.float32)) / 6.0) ** self.options.length_penalty

    def _coverage_term(self, coverage):
        if not self._has(self.options.coverage_penalty):
            return tf.zeros([])
        logs = tf.math.log(tf.clip_by_value(coverage, 1e-10, 1.0))
        return self.options.coverage_penalty * tf.reduce_sum(tf.where(self.source_mask[:, None, :], logs, 0.0), -1)

    def scores(self, beams: _Beams):
        """Penalised scores `(batch, beams)`."""
        return beams.log_probs / self._length_divisor(beams.lengths) + self._coverage_term(beams.coverage)

    def final_scores(self, beams: _Beams):
        """Penalised scores, with those of open hypotheses out of the way."""
        return self.scores(beams) + 2 * FORBIDDEN * tf.cast(~beams.finished, tf.float32)

    def undecided(self, t, beams: _Beams):
        """Whether some open hypothesis of some row can still be among its `n_best`; sampling ends each one."""
        if self.options.sample_top_k:
            return tf.reduce_any(~beams.finished)
        longest = tf.maximum(self.max_length[:, None], t) + 1
        # log P is negative and only falls: it counts least at the length of the largest divisor.
        divisor = tf.maximum(self._length_divisor(beams.lengths + 1), self._length_divisor(longest))
        bound = beams.log_probs / divisor + tf.maximum(self._coverage_term(beams.coverage), 0.0)
        bound = tf.where(beams.finished, 2 * FORBIDDEN, bound)
        worst_of_best = tf.math.top_k(self.final_scores(beams), self.options.n_best).values[:, -1:]
        return tf.reduce_any(bound > worst_of_best)


def trace_back(tokens, parents, attention_weights, best):
    """Follows hypotheses from their last step to their first.

    Args:
        tokens: `(steps, batch, beams)` int32, the token that each beam got at each step.
        parents: `(steps, batch, beams)` int32, the beam of the step before that it continued.
        attention_weights: `(steps, batch, beams, source_steps)` float32.
        best: `(batch, n_best)` int32, beams after the last step.

    Returns:
        `(ids (batch, n_best, steps), attention_weights (batch, n_best, steps, source_steps))`.
    """
    steps = tf.shape(tokens)[0]
    chain = tf.TensorArray(tf.int32, size=steps)

    def body(t, beam, chain):
        chain = chain.write(t, beam)
        return t - 1, tf.gather(parents[t], beam, batch_dims=1), chain

    invariants = (tf.TensorShape([]), tf.TensorShape([None, None]), tf.TensorShape(None))
    *_, chain = tf.while_loop(lambda t, *_: t >= 0, body, (steps - 1, best, chain), shape_invariants=invariants)
    chain = chain.stack()
    ids = tf.gather(tokens, chain, batch_dims=2)
    attention_weights = tf.gather(attention_weights, chain, batch_dims=2)
    return tf.transpose(ids, [1, 2, 0]), tf.transpose(attention_weights, [1, 2, 0, 3])
