"""Corruptions of one modality of a source, as a trained model may meet them: NumPy, segment by segment.

What a segment draws depends on the seed, its id and the kind of corruption alone. So neither batches nor recipes
matter, and what is lost at one level stays lost at the higher ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: Levels of the corruptions that take a share of segments or steps.
SHARES = tuple(i / 10 for i in range(1, 11))

#: Corruption → its levels; noise is in train standard deviations.
LEVELS = {"missing": SHARES, "dropped": SHARES, "noise": tuple(i / 4 for i in range(1, 11)), "shuffled": SHARES}


@dataclass(frozen=True)
class SourceModality:
    """A modality within a source.

    Attributes:
        columns: the modality's columns of the source.
        mean: `(dim,)` float32, the train mean in raw units: what stands where the modality is lost. Standardised it is
            zero; of words, which models read raw, it is the mean vector; of pieces of words it is -1, for none.
        std: `(dim,)` float32, the train standard deviation in raw units.
        alone: whether no other modality shares its steps.
        pieces: columns, from the first, that hold the pieces of words. They are ids, and noise leaves none of them.
        place: its place among the lengths, where each modality has its own; else `None`.
    """

    columns: slice
    mean: np.ndarray
    std: np.ndarray
    alone: bool
    pieces: int = 0
    place: int | None = None


def missing(features: np.ndarray, stream: SourceModality, level: float, rng: np.random.Generator) -> np.ndarray:
    """With probability `level` the segment has no such modality: every step of it is the train mean.

    Args:
        features: `(steps, source_dim)` float32, raw, without padding.
        stream: the modality.
        level: strength of the corruption, at least 0.
        rng: draws equal numbers for every level.

    Returns:
        `(steps, source_dim)` float32; `dropped` may give fewer steps.
    """
    return _averaged(features, stream, np.full(len(features), rng.random() < level))


def dropped(features: np.ndarray, stream: SourceModality, level: float, rng: np.random.Generator) -> np.ndarray:
    """Each step loses the modality with probability `level`; one keeps it always. Arguments are as of `missing`.

    A step that is left without any modality is removed, so a source of one modality gets shorter. Beside others, which
    share its steps, the modality becomes its train mean there.
    """
    chances = rng.random(len(features))
    lost = chances < level
    lost[chances.argmax()] = False
    return features[~lost] if stream.alone else _averaged(features, stream, lost)


def noise(features: np.ndarray, stream: SourceModality, level: float, rng: np.random.Generator) -> np.ndarray:
    """Adds Gaussian noise of `level` train standard deviations. Arguments are as of `missing`."""
    result = features.copy()
    drawn = rng.standard_normal((len(features), len(stream.std)), dtype=np.float32)
    result[:, stream.columns] += np.float32(level) * stream.std * drawn
    start = stream.columns.start
    result[:, start : start + stream.pieces] = stream.mean[: stream.pieces]
    return result


def shuffled(features: np.ndarray, stream: SourceModality, level: float, rng: np.random.Generator) -> np.ndarray:
    """Each step of the modality takes part with probability `level`; those that do are permuted among themselves.
    Arguments are as of `missing`."""
    moved = np.flatnonzero(rng.random(len(features)) < level)
    result = features.copy()
    result[moved, stream.columns] = features[rng.permutation(moved), stream.columns]
    return result


def _averaged(features: np.ndarray, stream: SourceModality, lost: np.ndarray) -> np.ndarray:
    result = features.copy()
    result[lost, stream.columns] = stream.mean
    return result


CORRUPTIONS: dict[str, Callable] = {"missing": missing, "dropped": dropped, "noise": noise, "shuffled": shuffled}


def corrupt(
    source: np.ndarray,
    length: np.ndarray,
    ids: Sequence[bytes],
    corruption: tuple[str, float],
    stream: SourceModality,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Corrupts one modality of a batch.

    Args:
        source: `(batch, steps, source_dim)` float32, raw.
        length: `(batch,)` int32, at least 1.
        ids: `(batch,)` segment ids.
        corruption: a name of `CORRUPTIONS`, and its level.
        stream: the modality.
        seed: seed of the random draws.

    Returns:
        source and length of the same shapes; zero beyond the length, which `dropped` may have lowered.
    """
    kind, level = corruption
    result, lengths = np.zeros_like(source), np.array(length)
    for row, (id_, steps) in enumerate(zip(ids, length, strict=True)):
        features = CORRUPTIONS[kind](source[row, :steps], stream, level, _generator(seed, kind, id_))
        result[row, : len(features)] = features
        lengths[row] = len(features)
    return result, lengths


def _generator(seed: int, kind: str, id_: bytes) -> np.random.Generator:
    # Not Python's hash, which differs from process to process.
    digest = hashlib.sha256(f"{seed} {kind} {id_.decode()}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))
