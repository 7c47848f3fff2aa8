"""Words in JSON: `[{"word": "so", "start": 0.1, "end": 0.3}, …]`, or in `words` and `segments`, as recognisers do."""

from __future__ import annotations

import json
import math

from mmtrans.clips.words.timed import TimedWord, spread, words_of

#: What recognisers call a word.
_NAMES = ("word", "text", "punctuated_word")


def read_listed(text: str) -> list[TimedWord]:
    """The words of JSON.

    Of a part that has its own `words`, these are taken; its `text` is spread over its time otherwise.

    Raises:
        ValueError: no JSON, or no words with times in it.
    """
    try:
        content = json.loads(text)
        words = _words_of(content)
    except RecursionError as error:
        raise ValueError("it is no list of words") from error
    if not words:
        raise ValueError("it has no words with start and end")
    return sorted(words, key=lambda word: word.start)


def _words_of(part: object) -> list[TimedWord]:
    if isinstance(part, list):
        return [word for inner in part for word in _words_of(inner)]
    if not isinstance(part, dict):
        return []
    inside = [word for name in ("segments", "words") for word in _words_of(part.get(name))]
    if inside:
        return inside
    text = next((part[name] for name in _NAMES if isinstance(part.get(name), str)), None)
    times = [part.get(name) for name in ("start", "end")]
    if text is None or not all(isinstance(time, (int, float)) and math.isfinite(time) for time in times):
        return []
    start, end = map(float, times)  # pyright: ignore[reportArgumentType] - they are numbers
    words = words_of(text)
    return spread(words, start, max(start, end), "given" if len(words) == 1 else "spread")
