import numpy as np
import pytest

from mmtrans.clips.account import ClipAccount, Counted, Reason
from mmtrans.clips.cutting import first_cut, within
from mmtrans.clips.listing import Wanted
from mmtrans.clips.pieces import Span
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.steps import (
    known_means,
    mean_of_words,
    normalised,
    normalised_voice,
    statistics_of,
    statistics_of_voice,
)
from mmtrans.clips.voice.columns import COLUMNS, ENERGY, F0
from mmtrans.clips.words.timed import TimedWord


def frames_of(energy):
    frames = np.zeros((len(energy), len(COLUMNS)), np.float32)
    frames[:, ENERGY] = energy
    frames[:, 1] = np.arange(len(energy))
    return frames


def loud(steps, *pauses):
    energy = np.full(steps, -20.0)
    for pause in pauses:
        energy[pause - 15 : pause + 15] = -60
    return energy


def test_sound_is_cut_in_the_pause_of_its_second_half():
    assert first_cut(loud(1000, 300, 700), 1000) == pytest.approx(700, abs=6)
    # One at the end counts no less, and what comes behind is not looked at.
    assert first_cut(loud(1200, 300, 1100), 1000) >= 500


def test_no_word_is_cut_where_there_is_room():
    words = [TimedWord("a", 6.0, 8.0), TimedWord("b", 9.0, 10.0)]
    cut = first_cut(loud(1000, 700), 1000, words) / 100
    assert not any(word.start < cut < word.end for word in words)
    # No room at all: the pause.
    assert first_cut(loud(1000, 700), 1000, [TimedWord("a", 0.0, 10.0)]) == pytest.approx(700, abs=6)


def test_a_word_belongs_where_its_middle_lies():
    words = [TimedWord("a", 0.9, 1.2), TimedWord("b", 1.9, 2.1)]
    assert within(words, 100, 200) == words[:1]
    assert within(words, 200, 300) == words[1:]


def pieces_of(span, frames, block=170):
    found = []
    for first in range(0, len(frames), block):
        found += span.take(frames[first : first + block], first)
    return [*found, *span.finish()]


@pytest.mark.parametrize("block", [1, 170, 5000])
def test_a_long_recording_is_cut_into_pieces_that_are_all_of_it(block):
    account = ClipAccount()
    frames = frames_of(loud(2600, 800, 1500, 2300))
    span = Span(Wanted("v"), None, None, ExtractSettings(segment_seconds=10), account)
    pieces = pieces_of(span, frames, block)
    assert [piece.first for piece in pieces] == pytest.approx([0, 800, 1500, 2300], abs=8)
    np.testing.assert_array_equal(np.concatenate([piece.frames for piece in pieces]), frames)
    assert max(len(piece.frames) for piece in pieces) <= 1000
    assert account.counts == {Counted.CUT: 1}


def test_what_has_a_label_is_not_cut():
    wanted = Wanted("v", start=1.0, end=25.0, label=0.5)
    span = Span(wanted, [TimedWord("a", 2.0, 3.0)], None, ExtractSettings(), ClipAccount())
    (piece,) = pieces_of(span, frames_of(loud(2600)))
    assert (piece.first, len(piece.frames), piece.words) == (100, 2400, [TimedWord("a", 2.0, 3.0)])
    np.testing.assert_array_equal(piece.frames[[0, -1], 1], [100, 2499])


def test_a_part_that_is_not_there_is_left_out():
    account = ClipAccount()
    assert not pieces_of(Span(Wanted("v", start=30.0), None, None, ExtractSettings(), account), frames_of(loud(100)))
    assert account.left == [("v, from 30 s", Reason.BEYOND_END, "")]


def test_a_segment_may_not_be_too_long():
    account = ClipAccount()
    span = Span(Wanted("v", 3), None, None, ExtractSettings(), account)
    assert not pieces_of(span, frames_of(loud(60_100)), 10_000)
    assert account.left == [("v[3], from 0 s", Reason.TOO_LONG, "600")]


def test_a_step_is_the_mean_of_a_word_and_its_pitch_of_what_is_voiced():
    frames = np.zeros((10, len(COLUMNS)), np.float32)
    frames[:, ENERGY] = np.arange(10)
    frames[:, F0] = [0, 100, 200, 0, 0, 0, 0, 0, 0, 90]
    words = [
        TimedWord("a", 1.00, 1.03),
        TimedWord("b", 1.03, 1.05),
        TimedWord("short", 1.051, 1.052),
        TimedWord("late", 1.2, 1.3),
    ]
    steps = mean_of_words(frames, words, first=100)
    np.testing.assert_allclose(steps[:, ENERGY], [1, 3.5, 5, 9])
    np.testing.assert_allclose(steps[:, F0], [150, 0, 0, 90])


def test_columns_relative_to_a_speaker():
    steps = np.zeros((5, len(COLUMNS)), np.float32)
    steps[:, ENERGY] = [1, 2, 3, 4, 100]
    steps[:, F0] = [0, 100, 110, 120, 0]
    median, spread = statistics_of_voice(steps)
    found = normalised_voice(steps, median, spread)
    np.testing.assert_allclose(found[:, ENERGY], (np.array([1, 2, 3, 4, 100]) - 3) / 1.4826, rtol=1e-5)
    np.testing.assert_allclose(found[:, F0], [0, -10 / 14.826, 0, 10 / 14.826, 0], rtol=1e-5)
    # A column that never moves stays finite.
    assert not found[:, 5].any()
    steps[:, F0] = 0
    assert not normalised_voice(steps, *statistics_of_voice(steps))[:, F0].any()


def test_what_is_not_known_is_in_no_mean_and_no_median():
    steps = np.array([[1, np.nan], [np.nan, np.nan], [3, np.nan], [8, np.nan]])
    median, spread = statistics_of(steps)
    np.testing.assert_allclose(median, [3, 0])
    np.testing.assert_allclose(spread, [2 * 1.4826, 1])
    np.testing.assert_allclose(normalised(steps, median, spread)[:, 0] * spread[0], [-2, np.nan, 0, 5], atol=1e-6)
    words = [TimedWord("a", 1.0, 1.15), TimedWord("b", 1.1, 1.2), TimedWord("c", 1.2, 1.4), TimedWord("d", 1.11, 1.12)]
    means = known_means(steps, words, 10, 0.1)[:, 0]
    np.testing.assert_allclose(means, [1, np.nan, 5.5, np.nan])


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"steps": "syllables"}, r"Unknown choice of --steps\. .*steps='syllables'"),
        ({"normalise": "all"}, r"Unknown choice of --normalise\. .*normalise='all'"),
        ({"segment_seconds": 0.5}, r"--segment-seconds is out of range\. .*segment_seconds=0\.5"),
        ({"clip_shift": float("nan")}, r"--clip-shift is out of range"),
        ({"face_fps": 61}, r"--face-fps is out of range\. .*face_fps=61"),
    ],
)
def test_settings_out_of_range_are_one_sentence(fields, match):
    with pytest.raises(ValueError, match=match):
        ExtractSettings(**fields)
