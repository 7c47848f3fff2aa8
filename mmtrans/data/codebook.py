"""Codebook: what turns a target stream into token ids, and token ids back into features.

Words become a vocabulary; every other stream is quantised with k-means (our reading of how the paper's cross-entropy
and beam search apply to continuous features). `codebook_fit` fits both, on train steps only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtrans.layers.tokens import BOS, EOS, UNK
from tfrecords.stored import damage, read_npz

#: What the special tokens are called.
SPECIAL = ("<bos>", "<eos>", "<unk>")

#: First id of a codeword of k-means, and of a word.
FIRST_CODEWORD, FIRST_WORD = EOS + 1, UNK + 1


@dataclass(frozen=True, eq=False)
class Codebook:
    """Tokens of one target stream.

    Attributes:
        names: `(size,)` what each token is called: `<bos>`, `<eos>`, then `<unk>` and words, or `c0`, `c1`, ….
        frames: `(size, dim)` float32 raw features that each token stands for: a centroid, or the mean vector of the
            word in train; the train mean for special tokens.
        scale: `(dim,)` float32 by which raw features are multiplied before distances are taken; empty for words.
        counts: `(size,)` int64, how often each token is a target in train; EOS once a segment.
        repeat_share: share of those targets that equal the token before them.
    """

    names: tuple[str, ...]
    frames: np.ndarray
    scale: np.ndarray
    counts: np.ndarray
    repeat_share: float

    @property
    def size(self) -> int:
        """Number of tokens, special ones included."""
        return len(self.names)

    @property
    def is_words(self) -> bool:
        """Whether the tokens are words rather than codewords."""
        return self.scale.size == 0

    @property
    def num_special(self) -> int:
        """How many of the first tokens stand for nothing in the stream: BOS and EOS. `<unk>` does."""
        return FIRST_CODEWORD

    @cached_property
    def _table(self) -> tf.lookup.StaticHashTable:
        with tf.init_scope():  # it outlives the graph that first asks for it
            # Without the special tokens: a word of the corpus that is spelled as one is a word, and an unknown one.
            names, ids = list(self.names[FIRST_WORD:]), list(range(FIRST_WORD, self.size))
            words = tf.lookup.KeyValueTensorInitializer(
                tf.constant(names, tf.string), tf.constant(ids, tf.int32), tf.string, tf.int32
            )
            return tf.lookup.StaticHashTable(words, default_value=UNK)

    def encode(self, tokens, features):
        """Token ids of a batch of streams.

        Args:
            tokens: `(batch, steps)` string, the words; not read by a k-means codebook.
            features: `(batch, steps, dim)` float32 raw; not read by a vocabulary.

        Returns:
            `(batch, steps)` int32; whatever stands beyond a stream's length is not meant.
        """
        if self.is_words:
            return self._table.lookup(tokens)
        centroids = tf.constant(self.frames[self.num_special :] * self.scale)
        # ‖x - c‖² without ‖x‖², which is the same for every codeword.
        distance = tf.reduce_sum(centroids**2, -1) - 2.0 * tf.tensordot(features * self.scale, centroids, [[2], [1]])
        return tf.argmin(distance, -1, tf.int32) + self.num_special

    def unigram(self) -> np.ndarray:
        """`(size,)` float64 probability of each token whatever comes before it; add-one smoothing, never BOS."""
        smoothed = self.counts + (np.arange(self.size) != BOS)
        return smoothed / smoothed.sum()

    def decode(self, ids: np.ndarray) -> np.ndarray:
        """Raw features `(…, dim)` float32 that token ids stand for."""
        return self.frames[ids]

    def save(self, path: Path) -> None:
        """Writes an .npz file that `load` reads."""
        with open(path, "wb") as file:
            names = np.array(self.names, dtype=np.str_)
            np.savez(
                file, names=names, frames=self.frames, scale=self.scale, counts=self.counts, repeats=self.repeat_share
            )

    @classmethod
    def load(cls, path: Path, remedy: str = "Make it again.") -> Codebook:
        """Reads what `save` wrote.

        Raises:
            ValueError: a damaged file; the message ends with the `remedy`.
        """
        arrays = read_npz(path, ("names", "frames", "scale", "counts", "repeats"), remedy)
        names, frames, scale, counts = (arrays[name] for name in ("names", "frames", "scale", "counts"))
        dims = (frames.shape[1:], (0,))
        fits = frames.ndim == 2 and frames.shape[:1] == names.shape == counts.shape and scale.shape in dims
        kinds = "".join(array.dtype.kind for array in (names, frames, scale, counts, arrays["repeats"]))
        if not fits or kinds != "Uffif" or arrays["repeats"].shape or not np.isfinite(frames).all():
            shapes = {name: f"{array.dtype}{array.shape}" for name, array in arrays.items()}
            raise damage(path, "names, frames and counts of each token", f"{shapes}", remedy)
        return cls(tuple(names.tolist()), frames, scale, counts, float(arrays["repeats"]))
