"""How well tokens are predicted: perplexity and accuracy, beside what needs no model."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mmtrans.data.codebook import Codebook
from mmtrans.evaluation.translation_quality import TokenFigures
from mmtrans.layers.tokens import EOS

#: What predicts: the model, or one of what needs no model.
_Predictor = Literal["model", "unigram", "repeat_last"]


class TokenQuality:
    """Accumulates teacher-forced predictions of token targets, EOS included, batch by batch.

    Two baselines stand beside the model. `unigram`: the train frequency of each token; its accuracy is that of always
    the most frequent one. `repeat_last`: the token before with the train probability of a repetition, else the
    unigram; its accuracy is that of always the token before (the first token of a segment counts as missed).

    Args:
        codebook: the codebook of the tokens, with their train frequencies.
    """

    def __init__(self, codebook: Codebook) -> None:
        self._unigram = codebook.unigram()
        self._repeat_share = codebook.repeat_share
        self._num_words = codebook.size - codebook.num_special
        self._used: set[int] = set()
        self._steps = 0
        self._nats = dict.fromkeys(("model", "unigram", "repeat_last"), 0.0)
        self._hits = dict.fromkeys(("model", "unigram", "repeat_last"), 0)

    def update(self, log_probs: np.ndarray, target: np.ndarray, length: np.ndarray) -> None:
        """Adds one batch.

        Args:
            log_probs: `(batch, steps, size)` of the model.
            target: `(batch, steps)` int.
            length: `(batch,)` int, valid steps of each row.
        """
        mask = np.arange(target.shape[1]) < np.asarray(length)[:, None]
        previous = np.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=-1)[mask]
        target, log_probs = target[mask], log_probs[mask]
        unigram = self._unigram[target]
        self._used.update(target[target != EOS].tolist())
        repeats = target == previous
        mixture = np.where(previous < 0, unigram, self._repeat_share * repeats + (1 - self._repeat_share) * unigram)
        self._steps += len(target)
        nats = {
            "model": -np.take_along_axis(log_probs, target[:, None], 1),
            "unigram": -np.log(unigram),
            "repeat_last": -np.log(mixture),
        }
        hits = {
            "model": log_probs.argmax(1) == target,
            "unigram": target == self._unigram.argmax(),
            "repeat_last": repeats,
        }
        for name in self._nats:
            self._nats[name] += float(nats[name].sum(dtype=np.float64))
            self._hits[name] += int(hits[name].sum())

    def codewords_used(self) -> float:
        """Share of the tokens that stand for something which are a target."""
        return len(self._used) / self._num_words

    def result(self) -> TokenFigures:
        """The figures of all batches so far."""
        return {
            "perplexity": self._perplexity("model"),
            "accuracy": self._accuracy("model"),
            "unigram_perplexity": self._perplexity("unigram"),
            "unigram_accuracy": self._accuracy("unigram"),
            "repeat_last_perplexity": self._perplexity("repeat_last"),
            "repeat_last_accuracy": self._accuracy("repeat_last"),
        }

    def _perplexity(self, name: _Predictor) -> float:
        return float(np.exp(self._nats[name] / self._steps))

    def _accuracy(self, name: _Predictor) -> float:
        return self._hits[name] / self._steps
