"""Praat's TextGrid files, long and short, as forced aligners write them."""

from __future__ import annotations

import re

from mmtrans.clips.words.timed import TimedWord, spread, words_of
from mmtrans.sources.words import spoken

#: Values of a file, in their order: text between quotes, or a number, or a flag.
_VALUE = re.compile(r'"((?:[^"]|"")*)"|(?<![\w.\[])([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?![\w\]])|<(exists|absent)>')


def read_textgrid(text: str) -> list[TimedWord]:
    """The words of the tier that is called `words` or `word`, or else of the first tier of intervals.

    Raises:
        ValueError: no TextGrid, or none with intervals.
    """
    if "TextGrid" not in text[:200]:
        raise ValueError("it is no TextGrid")
    # What stands before a value in long files: `xmin =`, `intervals [1]:`.
    values = list(_VALUE.finditer(re.sub(r"^\s*!.*$", "", text, flags=re.MULTILINE)))
    tiers = _tiers([value[1].replace('""', '"') if value[1] is not None else value[2] or value[3] for value in values])
    if not tiers:
        raise ValueError("it has no tier of intervals")
    named = [name for name in tiers if name.strip().lower() in ("words", "word")]
    return tiers[named[0] if named else next(iter(tiers))]


def _tiers(values: list[str]) -> dict[str, list[TimedWord]]:
    # Type of file and object, start, end, whether there are tiers, how many.
    place = 6
    tiers: dict[str, list[TimedWord]] = {}
    try:
        for _ in range(int(values[5])):
            kind, name, count = values[place], values[place + 1], int(values[place + 4])
            place += 5
            width = 3 if kind == "IntervalTier" else 2
            rows = [values[place + width * row : place + width * (row + 1)] for row in range(count)]
            place += width * count
            if kind == "IntervalTier":
                tiers[name] = [word for row in rows for word in _words_of(*row)]
    except (IndexError, ValueError, TypeError) as error:
        raise ValueError("it is cut off, or no TextGrid of intervals") from error
    return tiers


def _words_of(start: str, end: str, text: str) -> list[TimedWord]:
    words = [word for word, speaks in zip(text.split(), spoken(text.split()), strict=True) if speaks]
    kept = [word for word in words if words_of(word)]
    return spread(kept, float(start), max(float(start), float(end)), "given" if len(kept) == 1 else "spread")
