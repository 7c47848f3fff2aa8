"""What a translation decodes of each segment, beside the true target, and where its decoder looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.attention_prior import PriorCorrelation, prior_weights
from mmtrans.evaluation.translation_quality import TranslationQuality
from mmtrans.explore.shapes import Bytes, Hypothesis, Translated, Translation
from mmtrans.inference import translate as decoding
from mmtrans.runs.run import Run
from mmtrans.system.escape import for_terminal

#: Hypotheses of tokens that a page shows.
HYPOTHESES = 3

#: Columns of features that a heat map shows.
MOST_COLUMNS = 40

#: Steps of a heat map. Longer sequences would make a page of megabytes, and no eye could tell the steps apart.
MOST_STEPS = 60

#: Deviations from the train mean at which a heat map has its darkest colour.
REACH = 3.0

_TOKENS = "Decoded by a beam search of width 5, as long as the true target; hypotheses are ordered by log-probability."
_ALL = "Decoded freely, as long as the true target. Columns are standardised, and ordered from best to worst told."
_SOME = (
    "Decoded freely, as long as the true target. Columns are standardised; {shown} of {columns} are shown, evenly "
    "spread from the best to the worst told."
)


def translate(run: Run, records: Records, split: str, ids: Sequence[str]) -> Translation:
    """Decodes some segments with a run that translates.

    Args:
        run: the run.
        records: the records, opened with the split.
        split: the split that the segments are of.
        ids: the segments.
    """
    of_tokens = run.has_codebooks
    options = SearchOptions(n_best=HYPOTHESES) if of_tokens else SearchOptions()
    wanted = set(ids)
    found = {
        item.id: item for item in decoding.translate(run, records, split, options, length="target") if item.id in wanted
    }
    chosen, names = (np.zeros(0, int), []) if of_tokens else _columns(run, found)
    recipe = run.last_translation.recipe
    segments = [_translated(run, found[id_], chosen) if id_ in found else None for id_ in ids]
    note = _TOKENS
    if not of_tokens:
        dim = run.statistics.dim(recipe.target)
        note = _ALL if dim == len(chosen) else _SOME.format(shown=len(chosen), columns=dim)
    if any(max(item.hypotheses[0].attention_weights.shape) > MOST_STEPS for item in found.values()):
        note += f" Sequences of more than {MOST_STEPS} steps are shown as means of so many stretches."
    return Translation(" and ".join(recipe.target.modalities), of_tokens, names, note, segments)


def _columns(run: Run, found: Mapping[str, decoding.Translated]) -> tuple[np.ndarray, list[str]]:
    """The columns that heat maps show, best told first, and their names with their R²."""
    target = run.last_translation.recipe.target
    mean, std = run.statistics.target(target)
    error, total = np.zeros(len(mean)), np.zeros(len(mean))
    for item in found.values():
        if item.target is not None:
            true = (item.target - mean) / std
            error += np.square((item.hypotheses[0].frames - mean) / std - true).sum(0)
            total += np.square(true).sum(0)
    r2 = 1 - error / np.maximum(total, np.finfo(float).tiny)
    order = np.argsort(-r2, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_COLUMNS)).astype(int))]
    names = _names(run)
    return chosen, [f"{names[column]}, R² {r2[column]:.2f}" for column in chosen]


def _names(run: Run) -> list[str]:
    target = run.last_translation.recipe.target
    names: list[str] = []
    for modality, (start, stop) in run.statistics.blocks(target).items():
        known = run.environment["data"]["modalities"][modality]["feature_names"]
        names += map(for_terminal, known) if known else [f"{modality} {i + 1}" for i in range(stop - start)]
    return names


def _translated(run: Run, item: decoding.Translated, chosen: np.ndarray) -> Translated:
    best = item.hypotheses[0]
    attention = _attention(run, item)
    if run.has_codebooks:
        hypotheses = [_hypothesis(found) for found in item.hypotheses]
        pairs = list(zip(best.tokens, item.reference, strict=False))
        right = sum(a == b for a, b in pairs) / len(item.reference) if item.reference else None
        reference = list(map(for_terminal, item.reference))
        return Translated(right, *attention, reference=reference, hypotheses=hypotheses)
    target = run.last_translation.recipe.target
    mean, std = run.statistics.target(target)
    decoded = (best.frames - mean) / std
    if item.target is None:
        return Translated(None, *attention, decoded=_shaded(decoded[:, chosen]))
    true = (item.target - mean) / std
    quality = TranslationQuality(run.statistics.blocks(target))
    quality.update(decoded[None], true[None], np.array([len(true)]))
    r2 = quality.result()["r2"]
    figures = None if r2 is None else round(r2, 4)
    return Translated(figures, *attention, target=_shaded(true[:, chosen]), decoded=_shaded(decoded[:, chosen]))


def _hypothesis(found: decoding.Hypothesis) -> Hypothesis:
    return Hypothesis(list(map(for_terminal, found.tokens)), round(found.log_prob or 0.0, 3))


def _shaded(values: np.ndarray) -> Bytes:
    return Bytes.of(shortened(values) / (2 * REACH) + 0.5)


def shortened(values: np.ndarray) -> np.ndarray:
    """Rows as means of at most `MOST_STEPS` stretches of them: `(steps, dim)` → `(at most 60, dim)`."""
    if len(values) <= MOST_STEPS:
        return values
    return np.stack([stretch.mean(axis=0) for stretch in np.array_split(values, MOST_STEPS)])


def _square(weights: np.ndarray) -> Bytes:
    return Bytes.of(shortened(shortened(weights).T).T)


def _attention(run: Run, item: decoding.Translated) -> tuple[Bytes | None, Bytes | None, float | None]:
    """Attention weights, their prior, and the correlation of both; `None` each without attention."""
    if run.config.decoder.attention == "none":
        return None, None, None
    weights = item.hypotheses[0].attention_weights[None]
    if item.positions is None:
        return _square(weights[0]), None, None
    _, rows, columns = weights.shape
    position = item.positions[None, :rows]
    correlation = PriorCorrelation()
    correlation.update(weights, position, np.array([rows]), np.array([columns]))
    prior = prior_weights(position, np.ones((1, 1, columns), bool))[0]
    found = correlation.result()
    return _square(weights[0]), _square(prior), None if found is None else round(found, 3)
