"""Reads the units of a plan: words, frames and segments joined by time, one video in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from mmtrans.sources.account import WORDS, Account, Cleaned, DropReason, Treated
from mmtrans.sources.cleaning import clean
from mmtrans.sources.csd.alignment import cut_windows, cut_words, has_length, midpoint_pairs
from mmtrans.sources.csd.plan import Plan, Unit
from mmtrans.sources.csd.sdk import cut_words_like_sdk, tokens_of
from mmtrans.sources.csd.sequence import open_file, refusal, split_id
from mmtrans.sources.labels import storable
from mmtrans.sources.words import read_words
from tfrecords.schema import MODALITIES, Segment

#: Most windows of a video; more are no speech, or of damaged times.
MOST_WINDOWS = 1_000_000

#: Intervals `(steps, 2)` in seconds, and rows of features or words.
Entry = tuple[np.ndarray, np.ndarray]


def read_units(plan: Plan, first: int, stop: int) -> Iterator[Segment]:
    """Yields the segments of the units from `first` to before `stop`; the plan's account is of these.

    Raises:
        ValueError: an entry that is damaged.
    """
    plan.account.clear()
    with ExitStack() as stack:
        files = {role: stack.enter_context(open_file(s.path)) for role, s in plan.sequences.items() if role != "labels"}
        for unit in plan.units[first:stop]:
            unit = replace(unit, labels=tuple(storable(label, plan.account) for label in unit.labels))
            loaded: dict[str, Entry] = {}
            for role, file in files.items():
                odd: list[str] = []
                rounded: Counter[Cleaned] = Counter()
                part = plan.sequences[role].load(file, unit.key, odd, rounded)
                plan.account.count_all(role, rounded)
                plan.account.count(Cleaned.ENTRIES_OF_OTHER_COLUMNS, role, len(odd))
                if part is not None:
                    loaded[role] = part
            yield from _cut(plan, unit, loaded)


def _cut(plan: Plan, unit: Unit, loaded: dict[str, Entry]) -> Iterator[Segment]:
    if plan.reference is None:
        yield from _cut_by_time(plan, unit, loaded)
        return
    lacking = [plan.reference] if plan.reference not in loaded else []
    if plan.compat:
        # The SDK keeps the videos that all sequences have, words that are not its reference set aside.
        lacking += [m for m in plan.modalities if m != plan.reference and not plan.sequences[m].find(unit.key)]
    if lacking:
        for id in unit.ids:
            plan.account.drop(id, DropReason.NO_ROWS_IN, plan.sequences[lacking[0]].path.name)
    elif plan.compat:
        yield from _cut_like_sdk(plan, unit, loaded.pop(plan.reference), loaded)
    else:
        yield from _cut_by_words(plan, unit, loaded.pop(plan.reference), loaded)


def _cut_by_words(plan: Plan, unit: Unit, reference: Entry, loaded: dict[str, Entry]) -> Iterator[Segment]:
    times, content = reference
    if plan.reference == "words":
        found, is_spoken = read_words(content.tolist(), plan.account)
        has_time = has_length(times)
        plan.account.count(Cleaned.NO_LENGTH, WORDS, int((is_spoken & ~has_time).sum()))
        times, content = times[is_spoken & has_time], np.array(found, object)[is_spoken & has_time]
    framed = {name: loaded[name] for name in loaded if plan.has_windows(name)}
    used, steps, features, account = cut_words(unit.spans, times, {m: loaded[m] for m in loaded if m not in framed})
    tokens = content[used] if plan.reference == "words" else None
    if tokens is None:
        features["text"], found = clean(content[used])
        account.count_all("text", found)
    plan.account.add(account)
    windows: list[dict[str, np.ndarray]] = [{} for _ in steps]
    if plan.window and framed:
        heard = [times[used[positions]] if len(positions) else np.zeros((1, 2)) for positions in steps]
        spoken = np.array([(own[:, 0].min(), own[:, 1].max()) for own in heard]).reshape(-1, 2)
        if not np.diff(spoken).sum() <= MOST_WINDOWS * plan.window:
            what = f"its words last longer than {MOST_WINDOWS} windows of {plan.window:g} s"
            raise refusal(plan.sequences[plan.reference or "words"].path, unit.key, what)
        windows, account = cut_windows(spoken, plan.window, framed)
        plan.account.add(account)
    for row, positions in enumerate(steps):
        found = {name: array[positions] for name, array in features.items()} | windows[row]
        chosen = {modality: found[modality] for modality in MODALITIES if modality in found}
        words = tuple(tokens[positions].tolist()) if tokens is not None else ()
        yield from _segment(plan, unit, row, chosen if len(positions) else None, words)


def _cut_like_sdk(plan: Plan, unit: Unit, reference: Entry, loaded: dict[str, Entry]) -> Iterator[Segment]:
    times, content = reference
    if "words" in loaded:
        spans, words = loaded.pop("words")
        tokens = tokens_of(times, spans, _rows_of_sdk(words, plan))
    else:
        tokens = _rows_of_sdk(content, plan) if plan.reference == "words" else None
    for modality in plan.modalities:
        # An entry without rows is in the SDK's account, and imputed like any other gap.
        loaded.setdefault(modality, (np.zeros((0, 2)), np.zeros((0, plan.sequences[modality].dim), np.float32)))
    if plan.reference == "text":
        loaded["text"] = (times, content)
    impute = plan.compat == "sdk"
    words, features, present, account = cut_words_like_sdk(unit.spans, times, loaded, own=plan.reference, impute=impute)
    plan.account.add(account)
    for row, rows in enumerate(words):
        empty = [m for m in plan.modalities if len(rows) and not present[m][row]]
        if empty:
            plan.account.drop(unit.ids[row], DropReason.NO_FRAME_OF, empty[0])
            continue
        for modality in plan.modalities:
            plan.account.count(Cleaned.ROWS_BEYOND_SDK, modality, max(0, len(rows) - present[modality][row]))
        chosen = {modality: features[modality][row] for modality in plan.modalities}
        spoken = tuple(tokens[rows].tolist()) if tokens is not None else ()
        yield from _segment(plan, unit, row, chosen if len(rows) else None, spoken)


def _rows_of_sdk(cells: np.ndarray, plan: Plan) -> np.ndarray:
    """The words, pauses among them: rows of the SDK are steps, whatever they say."""
    account = Account()
    words = [word or "sp" for word in read_words(cells.tolist(), account)[0]]
    plan.account.count(Cleaned.NOT_UTF_8, WORDS, account.treated[Treated(WORDS, Cleaned.NOT_UTF_8)])
    return np.array(words, object)


def _cut_by_time(plan: Plan, unit: Unit, loaded: dict[str, Entry]) -> Iterator[Segment]:
    steps = {}
    for modality, (times, _) in loaded.items():
        owners, rows = midpoint_pairs(unit.spans, times)
        steps[modality] = np.split(rows, np.searchsorted(owners, np.arange(1, len(unit.spans))))
    for row in range(len(unit.ids)):
        chosen = {}
        for modality in (name for name in MODALITIES if name in loaded and len(steps[name][row])):
            chosen[modality], found = clean(loaded[modality][1][steps[modality][row]])
            plan.account.count_all(modality, found)
        yield from _segment(plan, unit, row, chosen or None, ())


def _segment(
    plan: Plan, unit: Unit, row: int, features: dict[str, np.ndarray] | None, tokens: tuple[str, ...]
) -> Iterator[Segment]:
    if features is None:
        inside = DropReason.NO_WORD_INSIDE if plan.reference else DropReason.NO_FRAME_INSIDE
        reason = inside if has_length(unit.spans[row : row + 1])[0] else DropReason.NO_LENGTH
        plan.account.drop(unit.ids[row], reason)
        return
    for modality in set(MODALITIES) & set(plan.sequences) - set(features):
        plan.account.count(Cleaned.SEGMENTS_WITHOUT, modality)
    yield Segment(unit.ids[row], split_id(unit.key)[0], features, unit.labels[row], tokens)
