"""Subtitles: .srt and .vtt files. A line's words are spread over its time, unless marks inside of it tell theirs."""

from __future__ import annotations

import html
import re

from mmtrans.clips.words.timed import TimedWord, spread, words_of

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}.*$", re.MULTILINE)
_MARK = re.compile(rf"<{_TIME}>")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")

#: Blocks that say nothing of what is spoken.
_ASIDE = re.compile(r"^(NOTE|STYLE|REGION)\b.*?(?:\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)


def read_subtitles(text: str) -> list[TimedWord]:
    """The words of subtitles, in the order of their times.

    A cue that begins with the words that the cue before ends with, as rolling captions do, gives the new ones alone.

    Raises:
        ValueError: there is no cue, or one ends before it begins.
    """
    text = _ASIDE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    cues = list(_CUE.finditer(text))
    if not cues:
        raise ValueError("it has no line with times like 00:00:01,000 --> 00:00:02,500")
    words: list[TimedWord] = []
    shown: list[str] = []
    for cue, following in zip(cues, [*cues[1:], None], strict=True):
        start, end = _seconds(cue.groups()[:4]), _seconds(cue.groups()[4:])
        if end < start:
            raise ValueError(f"a line ends before it begins: {cue[0].strip()}")
        body = text[cue.end() : following.start() if following else len(text)]
        # The name of the next cue stands before its times.
        body = re.sub(r"\n[ \t]*\n[^\n]*\n?\Z", "\n", body) if following else body
        found = _words_of_cue(body, start, end)
        texts = [word.text for word in found]
        known = _repeated(shown, texts)
        words += found[known:]
        shown = texts
    return sorted(words, key=lambda word: word.start)


def _repeated(shown: list[str], texts: list[str]) -> int:
    """How many words at the beginning are those at the end of what was shown before; one alone may be spoken anew."""
    counts = range(min(len(shown), len(texts)), 1, -1)
    return next((count for count in counts if shown[-count:] == texts[:count]), 0)


def _words_of_cue(body: str, start: float, end: float) -> list[TimedWord]:
    """The words of one cue: between two marks of time they are spread."""
    marks = list(_MARK.finditer(body))
    edges = [start, *(_seconds(mark.groups()) for mark in marks), end]
    places = zip([0, *(mark.end() for mark in marks)], [*(mark.start() for mark in marks), len(body)], strict=True)
    pieces = [body[first:last] for first, last in places]
    words: list[TimedWord] = []
    for piece, first, last in zip(pieces, edges[:-1], edges[1:], strict=True):
        spoken = words_of(html.unescape(_TAG.sub("", piece)))
        words += spread(spoken, first, max(first, last), "given" if marks else "spread")
    return words


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0) + float(f"0.{fraction or 0}")
