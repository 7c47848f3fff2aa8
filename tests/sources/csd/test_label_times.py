import numpy as np
import pytest

from mmtrans.sources.account import Noted
from mmtrans.sources.csd.label_times import LabelTimes, measure_label_times
from mmtrans.sources.csd.reader import open_csd
from tests.real_data import MOSI_LABEL_TIMES, MOSI_TEXT, needs
from tests.sources.csd_files import words_of, write_csd


def make_video(seed, sentences=12):
    """Sentences of words that follow each other at once, with pauses of 0.3 to 0.8 s between sentences."""
    rng = np.random.default_rng(seed)
    words, spans, now = [], [], 2.0
    for _ in range(sentences):
        begin = now
        for length in rng.uniform(0.1, 0.5, rng.integers(4, 10)):
            words.append((now, now + length))
            now += length
        spans.append((begin, now))
        now += rng.uniform(0.3, 0.8)
    return np.array(spans), np.array(words)


def shares_oracle(spans, words):
    edges = [time for span in spans for time in span]
    cut = sum(any(start + 0.02 < time < end - 0.02 for start, end in words) for time in edges)
    return cut / len(edges)


@pytest.mark.parametrize("shift", [-0.6, -0.29, 0.25, 0.7])
def test_a_shift_is_found_and_its_remedy_named(shift):
    videos = [make_video(seed) for seed in range(6)]
    found = measure_label_times([(spans + shift, words) for spans, words in videos])
    assert found.segments == 72
    assert found.shift_seconds == pytest.approx(-shift, abs=0.03)
    assert found.shifted_going_on == pytest.approx(0, abs=0.05)
    expected = np.mean([shares_oracle(spans + shift, words) for spans, words in videos])
    assert found.cut_share == pytest.approx(expected)
    assert f"--label-shift {found.shift_seconds:+.2f}" in found.note.words
    assert "\n" not in found.note.words


def test_times_that_fit_have_no_note():
    found = measure_label_times([make_video(seed) for seed in range(6)])
    assert (found.segments, found.cut_share, found.going_on, found.shift_seconds) == (72, 0.0, 0.0, 0.0)
    assert found.note is None


def test_a_few_segments_and_words_without_pauses_tell_nothing():
    spans, words = make_video(0, sentences=2)
    assert measure_label_times([(spans - 0.3, words)]).note is None
    ticks = np.stack([np.arange(400), np.arange(1, 401)], axis=1) / 4
    spans = np.stack([np.arange(40), np.arange(1, 41)], axis=1) * 2.3
    assert measure_label_times([(spans, ticks)]).note is None


def test_nothing_to_measure_and_times_that_are_none():
    nothing = LabelTimes(0, 0.0, 0.0, 0.0, 0.0)
    assert measure_label_times([]) == nothing
    assert measure_label_times([(np.array([[np.nan, 1.0], [2.0, 2.0]]), np.array([[0.0, 1.0]]))]) == nothing


def test_words_that_overlap_are_speech_once():
    spans, words = make_video(1, sentences=30)
    nested = np.concatenate([words, words + np.array([0.01, -0.01]), words[::3]])
    alone, together = (measure_label_times([(spans - 0.3, part)]) for part in (words, nested))
    assert together.shift_seconds == alone.shift_seconds == pytest.approx(0.3, abs=0.03)


def test_opening_sequences_adds_the_note(tmp_path):
    words, labels = {}, {}
    for seed in range(4):
        spans, times = make_video(seed)
        pauses = np.stack([spans[:-1, 1], spans[1:, 0]], axis=1)
        names = words_of(*["word"] * len(times), *["sp"] * len(pauses))
        words[f"v{seed}"] = (names, np.concatenate([times, pauses]))
        labels[f"v{seed}"] = (np.zeros((len(spans), 1)), spans - 0.29)
    write_csd(tmp_path / "words.csd", "words", words)
    write_csd(tmp_path / "labels.csd", "labels", labels)
    (note,) = open_csd(tmp_path, isolated=False).noted
    shift = note.details["shift_seconds"]
    assert note.what is Noted.LABEL_TIMES
    assert f"Convert with --label-shift {shift:+.2f} if" in note.words
    assert shift == pytest.approx(0.29, abs=0.03)
    assert open_csd(tmp_path, isolated=False, label_shift=shift).notes == []


@needs(MOSI_TEXT, MOSI_LABEL_TIMES)
def test_mosis_published_labels_are_found_to_run_early(tmp_path):
    for folder, name in (
        (MOSI_TEXT, "CMU_MOSI_ModifiedTimestampedWords.csd"),
        (MOSI_LABEL_TIMES, "CMU_MOSI_Labels.csd"),
    ):
        (tmp_path / name).symlink_to(folder / name)
    (note,) = open_csd(tmp_path, isolated=False).noted
    assert note.details["shift_seconds"] == pytest.approx(0.29, abs=0.04)
    assert open_csd(MOSI_TEXT, isolated=False).notes == []
