"""Train statistics of the modalities, as a model uses them: for its source, for its target, saved with the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmtrans.recipe import Features, Translation
from mmtrans.words.columns import PieceColumns
from tfrecords.stored import damage, read_npz


class StepRatio(NamedTuple):
    """How many steps a target has for each step of its source, over the train split.

    Attributes:
        mean: all steps of targets over all steps of sources.
        largest: the largest ratio of one segment.
    """

    mean: float
    largest: float


@dataclass(frozen=True)
class Statistics:
    """Per modality the mean and standard deviation of its columns over the train split.

    Attributes:
        mean: modality → `(dim,)` float array.
        std: modality → `(dim,)` float array, positive; 1 for constant columns.
        ratios: `(source, target)`, the modalities that give a translation its lengths → how these go together, where
            the target has other steps than the source.
        pieces: the columns of text that hold the pieces of words, if there are any; they are not kept in the file.
        unaligned: modalities whose steps are not the words'; they are not kept in the file.
    """

    mean: Mapping[str, np.ndarray]
    std: Mapping[str, np.ndarray]
    ratios: Mapping[tuple[str, str], StepRatio] = field(default_factory=dict)
    pieces: PieceColumns | None = None
    unaligned: frozenset[str] = frozenset()

    def dim(self, features: Features) -> int:
        """Width of a step of these features."""
        return sum(len(self.mean[name]) for name in features.modalities)

    def blocks(self, features: Features) -> dict[str, tuple[int, int]]:
        """Modality → its columns `(start, stop)` within the concatenated features."""
        stops = np.cumsum([len(self.mean[name]) for name in features.modalities]).tolist()
        return dict(zip(features.modalities, zip([0, *stops[:-1]], stops, strict=True), strict=True))

    def reads_apart(self, features: Features) -> bool:
        """Whether each modality of these features is read at its own steps."""
        return features.reads_apart(self.unaligned)

    def source(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation that standardise a source; word vectors are left as they are."""
        identity = (
            {"text": (np.zeros_like(self.mean["text"]), np.ones_like(self.std["text"]))} if "text" in self.mean else {}
        )
        return self._concatenated(features, identity)

    def target(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation that standardise a target."""
        return self._concatenated(features, {})

    def ratio(self, recipe: Translation) -> StepRatio | None:
        """The ratio of a translation's steps, or `None` where target and source have the same steps."""
        return self.ratios.get(step_pair(recipe))

    def _concatenated(self, features, replaced):
        pairs = [replaced.get(name, (self.mean[name], self.std[name])) for name in features.modalities]
        return np.concatenate([mean for mean, _ in pairs]), np.concatenate([std for _, std in pairs])

    def save(self, path: Path) -> None:
        """Writes an .npz file that `load` reads."""
        arrays = {f"{kind}/{name}": values for kind in ("mean", "std") for name, values in getattr(self, kind).items()}
        arrays |= {f"ratio/{'/'.join(pair)}": np.array(ratio) for pair, ratio in self.ratios.items()}
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path, names: Iterable[str] = (), remedy: str = "Make it again.") -> Statistics:
        """Reads what `save` wrote.

        Args:
            path: the file.
            names: modalities that must be there.
            remedy: what the user does about a damaged file.

        Raises:
            ValueError: a damaged file.
        """
        arrays = read_npz(path, [f"{kind}/{name}" for name in names for kind in ("mean", "std")], remedy)
        found = [key.removeprefix("mean/") for key in arrays if key.startswith("mean/")]
        means, stds = {}, {}
        for name in found:
            means[name], stds[name] = arrays[f"mean/{name}"], arrays.get(f"std/{name}", np.zeros(0))
            if not _is_pair(means[name], stds[name]):
                raise damage(path, "a mean and a positive deviation a column", f"mean/{name}, std/{name}", remedy)
        ratios = {}
        for key in (key for key in arrays if key.startswith("ratio/")):
            ratio = arrays[key]
            if ratio.shape != (2,) or ratio.dtype.kind != "f" or not np.isfinite(ratio).all() or not (ratio > 0).all():
                raise damage(path, "the mean and the largest of ratios", key, remedy)
            ratios[tuple(key.split("/")[1:])] = StepRatio(*ratio.tolist())
        return cls(means, stds, ratios)


def step_pair(recipe: Translation) -> tuple[str, str]:
    """The modalities whose steps are those of a translation's source and target."""
    return recipe.inputs.modalities[0], recipe.target.modalities[0]


def step_ratio(lengths: np.ndarray) -> StepRatio:
    """The ratio of some segments, one or more; `lengths` is `(segments, 2)`, of source and target."""
    source, target = lengths.T
    return StepRatio(float(target.sum() / source.sum()), float((target / source).max()))


def _is_pair(mean: np.ndarray, std: np.ndarray) -> bool:
    sound = all(array.ndim == 1 and array.dtype.kind == "f" and np.isfinite(array).all() for array in (mean, std))
    return sound and mean.shape == std.shape and bool((std > 0).all())
