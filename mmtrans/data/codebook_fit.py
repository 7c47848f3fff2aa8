"""Fits the tokens of a target stream: a vocabulary of words, or codewords by k-means; on train steps only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.codebook import FIRST_CODEWORD, FIRST_WORD, SPECIAL, Codebook
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.layers.tokens import EOS, UNK

#: Fewest train steps that a codeword should stand for.
STEPS_PER_CODEWORD = 8


def fit_codebook(records: Records, selection: Selection, size: int, min_count: int, seed: int) -> Codebook:
    """Fits the tokens of a translation's target on the train split.

    Args:
        records: the records, opened with train.
        selection: source and target of the translation; its split must be train.
        size: number of codewords of a k-means codebook at most; fewer where there are not `STEPS_PER_CODEWORD` train
            steps for each.
        min_count: number of occurrences in train that a word of the vocabulary has at least.
        seed: the random state of k-means.

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
    index = {word: i + FIRST_WORD for i, word in enumerate(known)}
    ids = np.array([index.get(word, UNK) for word in words.tolist()])
    names = (*SPECIAL, *(word.decode("utf-8") for word in known))
    return names, _means(ids, frames, len(names)), ids


def _kmeans(frames: np.ndarray, scale: np.ndarray, size: int, seed: int) -> tuple:
    """Names, mean frames and the train ids of a k-means codebook."""
    from sklearn.cluster import MiniBatchKMeans

    clusters = int(np.clip(len(frames) // STEPS_PER_CODEWORD, 1, size))
    times: Any = 3  # the type stubs know "auto" alone
    model = MiniBatchKMeans(clusters, random_state=seed, batch_size=4096, n_init=times).fit(frames * scale)
    ids = np.asarray(model.predict(frames * scale)) + FIRST_CODEWORD
    names = (*SPECIAL[:FIRST_CODEWORD], *(f"c{i}" for i in range(clusters)))
    return names, _means(ids, frames, len(names)), ids


def _means(ids: np.ndarray, frames: np.ndarray, size: int) -> np.ndarray:
    """Mean frame of each token `(size, dim)` float32; the overall mean where a token never occurs."""
    sums = np.zeros((size, frames.shape[1]))
    counts = np.bincount(ids, minlength=size)
    np.add.at(sums, ids, frames)
    means = sums / np.maximum(counts, 1)[:, None]
    means[counts == 0] = frames.mean(0, dtype=np.float64)
    return means.astype(np.float32)
