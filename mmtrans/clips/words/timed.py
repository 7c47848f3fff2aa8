"""Words with their times, and words without a time spread between those that have one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TimedWord:
    """A word from `start` to `end`, in seconds.

    Attributes:
        text: the word, without blanks.
        start: when it begins.
        end: when it ends.
        how: `given` in a file, `aligned` to the sound, `recognised` in it, or `spread` between others.
    """

    text: str
    start: float
    end: float
    how: str = "given"

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def moved(word: TimedWord, seconds: float) -> TimedWord:
    """The word, so much later."""
    return replace(word, start=word.start + seconds, end=word.end + seconds)


#: What subtitles say of sounds, as in `[Music]`.
_SOUND = re.compile(r"\[[^\[\]]*\]")


def words_of(text: str) -> list[str]:
    """The words of a text, without the marks around them: what is between blanks, and has a letter or a digit."""
    words = (re.sub(r"^\W+|\W+$", "", word) for word in _SOUND.sub(" ", text).split())
    return [word for word in words if word.strip("_")]


def spread(words: Sequence[str], start: float, end: float, how: str = "spread") -> list[TimedWord]:
    """Words side by side from `start` to `end`, each as long as its letters."""
    total = sum(map(len, words))
    timed, done = [], 0
    for word in words:
        first = start + (end - start) * done / total
        done += len(word)
        timed.append(TimedWord(word, first, start + (end - start) * done / total, how))
    return timed


def fill(words: Sequence[str], times: Sequence[tuple[float, float] | None], end: float) -> list[TimedWord]:
    """Words of which some have a time; the others are spread in the gaps between those.

    Where there is no gap, words without a time share that of the word before, or else behind.

    Args:
        words: words in their order.
        times: start and end of each, or `None`.
        end: when the sound ends, which begins at 0.
    """
    timed: list[TimedWord] = []
    pending: list[str] = []
    last = 0.0
    for word, time in zip(words, times, strict=True):
        if time is None:
            pending.append(word)
            continue
        found = TimedWord(word, *time, "aligned")
        timed, found = _insert(timed, pending, last, found)
        timed.append(found)
        pending, last = [], found.end
    if pending:
        timed, _ = _insert(timed, pending, last, TimedWord("", max(end, last), max(end, last)))
    return timed


def _insert(
    timed: list[TimedWord], pending: Sequence[str], last: float, following: TimedWord
) -> tuple[list[TimedWord], TimedWord]:
    """`timed` with the words that are pending before `following`, and that word, which may have to share its time."""
    if not pending:
        return timed, following
    room = 0.05 * len(pending)
    if following.start - last >= room:
        return [*timed, *spread(pending, last, following.start)], following
    if timed:
        before = timed[-1]
        shared = spread([before.text, *pending], before.start, max(following.start, before.end))
        return [*timed[:-1], replace(shared[0], how=before.how), *shared[1:]], following
    shared = spread([*pending, following.text], last, following.end)
    return [*timed, *shared[:-1]], replace(shared[-1], how=following.how)
