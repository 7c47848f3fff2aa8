"""The train statistics that a run is made with."""

from __future__ import annotations

from collections.abc import Sequence

from mmtrans.data.records import Records
from mmtrans.models.statistics import Statistics, step_pair, step_ratio
from mmtrans.recipe import modalities_of
from mmtrans.runs.phases import Phase, TranslationPhase
from mmtrans.runs.text_encoder import piece_columns


def statistics_of(phases: Sequence[Phase], records: Records) -> Statistics:
    """Statistics of the modalities that phases read, ratios of steps where a translation's target has its own, what
    reads the pieces of words, and which modalities are unaligned.

    Raises:
        FileNotFoundError: the encoder of the pieces is not where it was in conversion.
        ValueError: the records lack a modality, in all splits or in train; or there is another encoder.
    """
    means, stds, ratios = {}, {}, {}
    for name in sorted({name for phase in phases for name in modalities_of(phase.recipe)}):
        means[name], stds[name] = records.statistics(name)
    for phase in phases:
        if not isinstance(phase, TranslationPhase) or not phase.recipe.has_own_steps(records.unaligned):
            continue
        recipe = phase.recipe
        pair = step_pair(recipe)
        modalities = dict.fromkeys((*pair, *recipe.inputs.modalities, *recipe.target.modalities))
        lengths = records.lengths("train", tuple(modalities))[:, :2]
        if len(lengths):
            ratios[pair] = step_ratio(lengths)
    reads_text = any("text" in phase.recipe.inputs.modalities for phase in phases)
    return Statistics(means, stds, ratios, piece_columns(records) if reads_text else None, records.unaligned)
