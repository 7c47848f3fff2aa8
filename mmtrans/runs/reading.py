"""What the phases of a run read of its records: which segments, and which of their labels."""

from __future__ import annotations

from collections.abc import Iterable, Set

from mmtrans.config import FIELDS, Config
from mmtrans.data.batch import Selection
from mmtrans.data.records import Records
from mmtrans.runs.labels import SHARES, Labels
from mmtrans.runs.phases import Phase, TranslationPhase


def select(phase: Phase, split: str, unaligned: Set[str] = frozenset()) -> Selection:
    """What a phase reads of a split: translations also train on unlabelled segments, and who reads whole videos reads
    them as neighbours.

    Args:
        phase: the phase.
        split: `train` or `valid`.
        unaligned: modalities of the records whose steps are not the words'.
    """
    target = phase.recipe.target.modalities if isinstance(phase, TranslationPhase) else ()
    inputs = phase.recipe.inputs
    labelled = not (phase.translates or inputs.reads_videos)
    apart = inputs.reads_apart(unaligned)
    return Selection(split, inputs.modalities, target, labelled, whole_videos=inputs.reads_videos, apart=apart)


def labels_left(config: Config, records: Records, splits: Iterable[str] = tuple(SHARES)) -> Records:
    """The view in which splits hold the labels alone which a configuration leaves to a run."""
    shares = {"train": config.plan.label_fraction, "valid": config.plan.valid_share}
    for split in splits:
        if split in records.splits:
            records = records.with_label_fraction(shares[split], config.plan.seed, split)
    return records


def count_labels(config: Config, records: Records, phases: Iterable[Phase]) -> dict[str, Labels]:
    """Split → the labels of a run; nothing for a pre-training, which reads none.

    Args:
        config: the run's configuration.
        records: its records.
        phases: its phases.
    """
    found: dict[str, Labels] = {}
    left = labels_left(config, records)
    for phase in phases:
        for split in SHARES if phase.scores else ():
            if split in records.splits:
                seen, whole = (view.count(split, select(phase, split).modalities, True) for view in (left, records))
                is_idle = split == "valid" and config.optimisation.fixed_steps
                found[split] = {"seen": 0 if is_idle else seen, "all": whole}
    return found


def check_left(config: Config, records: Records, selected: Selection) -> None:
    """Raises a ValueError where a configuration leaves no label to a phase that learns from some.

    Args:
        config: the configuration.
        records: the records, with all labels.
        selected: what the phase reads of a split.
    """
    split, modalities = selected.split, selected.modalities
    whole = records.count(split, modalities, labelled=True)
    if not whole or labels_left(config, records).count(split, modalities, labelled=True):
        return
    field = FIELDS[SHARES[split]]
    raise ValueError(
        f"No label is left. Expected one at least of a segment with {', '.join(modalities)} in the {split} split. "
        f"Received: {field.name}={config.to_dict()[field.name]!r}, which leaves none of {whole} ({records.directory}). "
        f"Raise {field.flag}."
    )
