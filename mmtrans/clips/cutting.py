"""Where a recording is cut: at pauses, so that no piece is too long and no word is cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmtrans.clips.voice.columns import FRAME_SECONDS
from mmtrans.clips.words.timed import TimedWord

#: Frames whose energy is averaged to find a pause: 210 ms.
_PAUSE_FRAMES = 21

#: A piece is at least this share of the longest.
_SHORTEST_SHARE = 0.5


def first_cut(energy_db: np.ndarray, longest: int, words: Sequence[TimedWord] = ()) -> int:
    """The frame before which sound is cut: where it is quietest between half the longest piece and the whole.

    Args:
        energy_db: `(steps,)` with at least `longest` steps.
        longest: frames of the longest piece.
        words: words with times from the begin of these frames on; where there is room, none of them is cut.
    """
    weights = np.full(_PAUSE_FRAMES, 1 / _PAUSE_FRAMES)
    padded = np.pad(energy_db[:longest], _PAUSE_FRAMES // 2, mode="edge")
    level = np.convolve(padded, weights, mode="valid")
    shortest = max(int(longest * _SHORTEST_SHARE), 1)
    is_free = np.ones(longest + 1, bool)
    for word in words:
        # A cut at the edge of a word does no harm.
        first, last = np.clip(
            [np.floor(word.start / FRAME_SECONDS) + 1, np.ceil(word.end / FRAME_SECONDS)], 0, longest + 1
        )
        is_free[int(first) : int(last)] = False
    places = np.arange(shortest, longest)
    free = places[is_free[shortest:longest]]
    places = free if len(free) else places
    return int(places[level[places].argmin()])


def within(words: Sequence[TimedWord], first: int, last: int) -> list[TimedWord]:
    """Words whose middle lies in frames `first` to `last`, without the end."""
    return [word for word in words if first * FRAME_SECONDS <= word.middle < last * FRAME_SECONDS]
