import math

import numpy as np
import pytest

from mmtrans.data.codebook import Codebook
from mmtrans.evaluation.token_quality import TokenQuality

NAMES, COUNTS = ("<bos>", "<eos>", "c0", "c1", "c2"), np.array([0, 4, 9, 3, 1])
BOOK = Codebook(NAMES, np.zeros((5, 2), np.float32), np.ones(2, np.float32), COUNTS, 0.2)


def make_batch(seed, batch=3, steps=4):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(batch, steps, 5))
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = rng.integers(1, 5, size=(batch, steps))
    return log_probs, target, np.array([4, 2, 1])


def test_the_figures_are_those_of_a_loop():
    quality, nats, hits, count = TokenQuality(BOOK), [0.0] * 3, [0] * 3, 0
    unigram = [0, 5 / 21, 10 / 21, 4 / 21, 2 / 21]
    for seed in (0, 1):
        log_probs, target, length = make_batch(seed)
        quality.update(log_probs, target, length)
        for row, n in enumerate(length):
            for step in range(n):
                token, previous = target[row, step], target[row, step - 1] if step else None
                mixture = unigram[token] if previous is None else 0.2 * (token == previous) + 0.8 * unigram[token]
                for i, p in enumerate((math.exp(log_probs[row, step, token]), unigram[token], mixture)):
                    nats[i] -= math.log(p)
                for i, guess in enumerate((log_probs[row, step].argmax(), 2, previous)):
                    hits[i] += int(guess == token)
                count += 1
    result = quality.result()
    for i, prefix in enumerate(("", "unigram_", "repeat_last_")):
        assert result[f"{prefix}perplexity"] == pytest.approx(math.exp(nats[i] / count))
        assert result[f"{prefix}accuracy"] == pytest.approx(hits[i] / count)


def test_padding_does_not_count():
    log_probs, target, length = make_batch(2)
    clean, dirty = TokenQuality(BOOK), TokenQuality(BOOK)
    clean.update(log_probs, target, length)
    beyond = np.arange(4) >= length[:, None]
    dirty.update(np.where(beyond[:, :, None], np.nan, log_probs), np.where(beyond, 1, target), length)
    assert clean.result() == dirty.result()
