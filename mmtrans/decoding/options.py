"""How to search, or to draw."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from mmtrans.bounds import SEARCH, check_number


@dataclass(frozen=True)
class SearchOptions:
    """How to search. Every number but `sample_top_k` may be a scalar tensor, which is taken as it is.

    `score = log P / ((5 + L) / 6)^length_penalty + coverage_penalty · Σ log max(min(Σ_t attention, 1), 1e-10)`, the
    second sum over valid source steps, L counting EOS (Wu et al. 2016, eq. 14).

    Attributes:
        beam_width: hypotheses kept at each step; 1 is greedy. Sampling does not read it.
        n_best: hypotheses returned; of a search at most `beam_width`.
        length_penalty: α; 0 compares log-probabilities.
        coverage_penalty: β.
        temperature: divides the logits.
        sample_top_k: 0 searches; k > 0 instead draws each of `n_best` hypotheses on its own, token by token, from the
            k most probable ones. All that are drawn are returned: the best of more would be no draw.
        seed: decides what is drawn: `(batch, 2)` int32, which make a row's draws independent of the rows beside it; or
            `(2,)` integers, of which each row takes its own by its number.

    Raises:
        ValueError: a number out of range, or a search for more hypotheses than it keeps.

    Example:
        ```pycon
        >>> api.SearchOptions(beam_width=5, n_best=2).length_penalty
        0.0
        ```
    """

    beam_width: int | tf.Tensor = 5
    n_best: int | tf.Tensor = 1
    length_penalty: float | tf.Tensor = 0.0
    coverage_penalty: float | tf.Tensor = 0.0
    temperature: float | tf.Tensor = 1.0
    sample_top_k: int = 0
    seed: tuple[int, int] | tf.Tensor = (0, 0)

    def __post_init__(self) -> None:
        for name, bounds in SEARCH.items():
            if not tf.is_tensor(getattr(self, name)):
                check_number(name, getattr(self, name), **bounds)
        for value in self.seed if isinstance(self.seed, tuple) else ():
            check_number("seed", value)
        if tf.is_tensor(self.n_best) or tf.is_tensor(self.width):
            return
        if self.n_best > self.width:
            raise ValueError(
                f"A search returns at most its width. Expected n_best up to {self.width}. "
                f"Received: n_best={self.n_best}. Raise beam_width."
            )

    @property
    def width(self) -> int | tf.Tensor:
        """Hypotheses under way in each row."""
        return self.n_best if self.sample_top_k else self.beam_width
