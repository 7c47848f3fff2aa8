"""The phases of a run: which trainings a configuration asks for, and what decides the outcome of each."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple

from mmtrans.config import RUN_FORMAT, Config, digest
from mmtrans.recipe import Features, Fusion, Recipe, Translation, parse, slug


@dataclass(frozen=True)
class Phase:
    """One training of a recipe: a translation, the regressor, or both at once.

    Attributes:
        index: position in the run, from 1.
        kind: `translation`, `sentiment` or `joint`.
        recipe: the translation, or the recipe whose representation the regressor reads.
        key: what decides the outcome: manifest, recipe, the configuration fields that it reads, seed, and its parent
            or, for the first translation, the weights that it starts from; and where it matters the run's format.
            Phases with equal keys give equal weights.
        parent: the phase whose representation this one builds on.
    """

    index: int
    kind: str
    recipe: Recipe
    key: str
    parent: Phase | None

    @property
    def name(self) -> str:
        """Name of the phase's directory."""
        return f"{self.index}-{self.kind}-{slug(self.recipe)}"

    @property
    def translates(self) -> bool:
        """Whether a translation is trained here: the phase is a `TranslationPhase`."""
        return False

    @property
    def scores(self) -> bool:
        """Whether a regressor is trained here."""
        return self.kind != "translation"

    @property
    def title(self) -> str:
        """Name of the phase for people."""
        return f"{self.kind} {self.recipe}"


@dataclass(frozen=True)
class TranslationPhase(Phase):
    """A phase that trains a translation, alone or together with the regressor."""

    recipe: Translation

    @property
    def translates(self) -> bool:
        """Whether a translation is trained here: it is."""
        return True


def phases_of(
    config: Config,
    manifest_hash: str,
    init_hash: str | None = None,
    run_format: int = RUN_FORMAT,
    unaligned: Set[str] = frozenset(),
) -> list[Phase]:
    """The phases of a configuration in the order of training: translations from the innermost, then the regressor.

    With a joint objective the last translation and the regressor are one phase.

    Args:
        config: the configuration.
        manifest_hash: hash of the records' manifest.
        init_hash: hash of the weights that the translations start from, `Run.translations_hash` of the run with them.
        run_format: what the run learns, see `RUN_FORMAT`.
        unaligned: modalities of the records whose steps are not the words'.
    """
    recipe = parse(config.plan.recipe)
    stages: list[tuple[str, Recipe]] = [("translation", translation) for translation in recipe.translations]
    stages += [] if config.plan.pretrain else [("sentiment", recipe)]
    if config.plan.objective == "joint" and recipe.translations and not config.plan.pretrain:
        stages[-2:] = [("joint", recipe)]
    phases: list[Phase] = []
    for index, (kind, stage) in enumerate(stages, 1):
        parent = phases[-1] if phases else None
        if parent is not None:
            before = parent.key
        else:
            before = None if kind == "sentiment" else init_hash
        parts: list[object] = [manifest_hash, kind, str(stage), config.read_by(kind), config.plan.seed, before]
        change = last_change(kind, stage, config, unaligned)
        parts += [change.run_format] if change and run_format >= change.run_format else []
        key = digest(parts)
        if kind == "sentiment" or isinstance(stage, Features):
            phases.append(Phase(index, kind, stage, key, parent))
        else:
            phases.append(TranslationPhase(index, kind, stage, key, parent))
    return phases


class Change(NamedTuple):
    """A change of what a phase learns.

    Attributes:
        run_format: the first format with it, see `RUN_FORMAT`.
        reason: what learns otherwise since, a clause.
    """

    run_format: int
    reason: str


def last_change(kind: str, recipe: Recipe, config: Config, unaligned: Set[str]) -> Change | None:
    """The last change of what a phase learns, what it inherits apart; `None` where all formats learn the same.

    Args:
        kind: kind of the phase.
        recipe: recipe of the phase.
        config: configuration of the run.
        unaligned: modalities whose steps are not the words'.
    """
    if isinstance(recipe, Fusion) and recipe.method == "mult":
        return Change(3, "crossmodal transformers now add, normalise and drop as in the program of their authors")
    if not isinstance(recipe, Translation):
        return None
    if (
        recipe.has_own_steps(unaligned)
        and kind != "sentiment"
        and config.decoder.attention != "none"
        and config.decoder.max_distance
    ):
        return Change(2, "the distance bias of the attention now goes by the ratio of source and target steps")
    is_single = config.latent.bottleneck == "vae" and config.decoder.attention == "none"
    reads_memory = kind != "translation" and config.regressor.representation != "final"
    if is_single and (reads_memory or isinstance(recipe.source, Translation)):
        return Change(2, "a latent without attention is now all that passes")
    return None
