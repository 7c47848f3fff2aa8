from collections import Counter

import numpy as np
import pytest

from tools.benchmark_lengths import MOSI_WORDS, mosi_lengths, mosi_pieces
from tools.benchmark_train import EpochClock, random_corpus


def test_histogram_is_that_of_the_train_fold(mosi_segments):
    words = [len(row["text"].split()) for row in mosi_segments if row["split"] == "train"]
    counts = Counter(min(max(n, 1), 50) for n in words)
    assert tuple(counts[n] for n in range(1, 51)) == MOSI_WORDS


def test_lengths_of_a_whole_fold_are_the_histogram():
    lengths = mosi_lengths(1284)
    assert np.bincount(lengths, minlength=51)[1:].tolist() == list(MOSI_WORDS)
    assert np.mean(lengths) == pytest.approx(11.985, abs=5e-4)


@pytest.mark.parametrize("segments", [1, 40, 1284, 2600])
def test_lengths_are_seeded_and_of_the_number_asked(segments):
    lengths = mosi_lengths(segments)
    assert lengths.shape == (segments,)
    assert lengths.min() >= 1
    assert lengths.max() <= 50
    np.testing.assert_array_equal(lengths, mosi_lengths(segments))
    assert max(np.bincount(lengths, minlength=51)[1:] - np.array(MOSI_WORDS) * -(-segments // 1284)) <= 0


def test_words_have_the_pieces_that_minilm_gives_them():
    pieces = mosi_pieces(1284)
    assert [len(counts) for counts in pieces] == mosi_lengths(1284).tolist()
    counts = np.bincount(np.concatenate(pieces), minlength=5)
    assert (counts[0], len(counts)) == (0, 5)
    np.testing.assert_allclose(counts[1:] / counts.sum(), [0.942, 0.048, 0.008, 0.002], atol=0.004)


def test_corpus_has_the_lengths_and_reads_the_same_twice():
    corpus = random_corpus(43)
    segments, again = list(corpus.read()), list(corpus.read())
    assert [len(segment.features["audio"]) for segment in segments] == mosi_lengths(43).tolist()
    assert {segment.features["text"].shape[1] for segment in segments} == {300}
    assert {segment.features["audio"].shape[1] for segment in segments} == {74}
    assert len({segment.id for segment in segments}) == 43
    assert {segment.video_id for segment in segments} == set(corpus.folds["train"])
    for one, two in zip(segments, again, strict=True):
        np.testing.assert_array_equal(one.features["text"], two.features["text"])


def test_clock_leaves_the_first_epoch_out(monkeypatch):
    wall, cpu = iter([0.0, 9.0, 10.0, 12.0, 20.0, 24.0]), iter([0.0, 5.0, 5.0, 6.0, 6.0, 12.0])
    monkeypatch.setattr("tools.benchmark_train.time.perf_counter", lambda: next(wall))
    monkeypatch.setattr("tools.benchmark_train.time.process_time", lambda: next(cpu))
    clock = EpochClock(segments=8)
    for _ in range(3):
        with clock:
            pass
    results = clock.results()
    assert results == {
        **{"segments_per_s": 3.0, "segments_per_s_low": 2.0, "segments_per_s_high": 4.0},
        **{"epoch_s": 3.0, "epoch_s_low": 2.0, "epoch_s_high": 4.0},
        **{"epoch_cpu_s": 3.5, "epoch_cpu_s_low": 1.0, "epoch_cpu_s_high": 6.0},
        "first_epoch_s": 9.0,
    }
