"""Token targets: what turns a target stream into token ids, and token ids back into features.

Words become a vocabulary; every other stream is quantised with k-means (our reading of how the paper's cross-entropy
and beam search apply to continuous features). Both are fitted on train steps only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtrans.data.pipeline import Selection, make_batches
from mmtrans.data.records import Records
from tfrecords.stored import damage, read_npz

BOS, EOS, UNK = 0, 1, 2

#: What the special tokens are called.
SPECIAL = ("<bos>", "<eos>", "<unk>")

#: Fewest train steps that a codeword should stand for.
STEPS_PER_CODEWORD = 8


@dataclass(frozen=True, eq=False)
class Codebook:
    """Tokens of one target stream.

    Args:
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
        return 2

    @cached_property
    def _table(self) -> tf.lookup.StaticHashTable:
        with tf.init_scope():  # it outlives the graph that first asks for it
            # Without the special tokens: a word of the corpus that is spelled as one is a word, and an unknown one.
            names, ids = list(self.names[UNK + 1 :]), list(range(UNK + 1, self.size))
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


def fit_codebook(records: Records, selection: Selection, size: int, min_count: int, seed: int) -> Codebook:
    """Fits the tokens of a translation's target on the train split.

    Args:
        records: opened with train.
        selection: source and target of the translation; its split must be train.
        size: most codewords of a k-means codebook; fewer where there are not `STEPS_PER_CODEWORD` train steps for each.
        min_count: least occurrences in train of a word of the vocabulary.
        seed: of k-means.

    Raises:
        ValueError: another split than train.
    """
    if selection.split != "train":
        raise ValueError(f"A codebook is fitted on train alone. Received: split={selection.split!r}. Select train.")
    words, steps, lengths = [], [], []
    for batch in make_batches(records, selection, batch_size=256, tokens=True):
        mask = tf.sequence_mask(batch["target_length"], tf.shape(batch["target"])[1]).numpy()
        steps.append(batch["target"].numpy()[mask])
        lengths.append(batch["target_length"].numpy())
        if batch["tokens"].shape[1] == mask.shape[1]:
            words.append(batch["tokens"].numpy()[mask])
    frames, lengths = np.concatenate(steps), np.concatenate(lengths)
    if selection.target == ("text",) and sum(map(len, words)) == len(frames) and (np.concatenate(words) != b"").any():
        names, means, ids = _vocabulary(np.concatenate(words), frames, min_count)
        scale = np.zeros(0, np.float32)
    else:
        deviations = {name: records.statistics(name)[1] for name in selection.target}
        # Each modality's block counts alike, however many columns it has.
        scale = np.concatenate([1.0 / (std * np.sqrt(len(std))) for std in deviations.values()]).astype(np.float32)
        names, means, ids = _kmeans(frames, scale, size, seed)
    counts = np.bincount(ids, minlength=len(names))
    counts[EOS] = len(lengths)
    follows = np.ones(len(ids), bool)
    follows[np.cumsum(lengths)[:-1]] = follows[0] = False
    repeats = int((follows[1:] & (ids[1:] == ids[:-1])).sum())
    return Codebook(names, means, scale, counts, repeats / counts.sum())


def _vocabulary(words: np.ndarray, frames: np.ndarray, min_count: int) -> tuple:
    """Names, mean frames and the train ids of a vocabulary."""
    counts = Counter(words.tolist())
    # A word that is spelled as a special token would be taken for it in what is decoded.
    special = {name.encode() for name in SPECIAL}
    known = sorted(
        (word for word, count in counts.items() if count >= min_count and word and word not in special),
        key=lambda w: (-counts[w], w),
    )
    index = {word: i + 3 for i, word in enumerate(known)}
    ids = np.array([index.get(word, UNK) for word in words.tolist()])
    names = (*SPECIAL, *(word.decode("utf-8") for word in known))
    return names, _means(ids, frames, len(names)), ids


def _kmeans(frames: np.ndarray, scale: np.ndarray, size: int, seed: int) -> tuple:
    """Names, mean frames and the train ids of a k-means codebook."""
    from sklearn.cluster import MiniBatchKMeans

    clusters = int(np.clip(len(frames) // STEPS_PER_CODEWORD, 1, size))
    model = MiniBatchKMeans(clusters, random_state=seed, batch_size=4096, n_init=3).fit(frames * scale)
    ids = model.predict(frames * scale) + 2
    names = (*SPECIAL[:UNK], *(f"c{i}" for i in range(clusters)))
    return names, _means(ids, frames, len(names)), ids


def _means(ids: np.ndarray, frames: np.ndarray, size: int) -> np.ndarray:
    """Mean frame of each token `(size, dim)` float32; the overall mean where a token never occurs."""
    sums, counts = np.zeros((size, frames.shape[1])), np.bincount(ids, minlength=size)
    np.add.at(sums, ids, frames)
    means = sums / np.maximum(counts, 1)[:, None]
    means[counts == 0] = frames.mean(0, dtype=np.float64)
    return means.astype(np.float32)
