import json
import math

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.sources.account import Cleaned, Treated
from mmtrans.sources.cleaning import clean
from mmtrans.sources.csd import alignment
from mmtrans.sources.csd.alignment import (
    MIN_OVERLAP_SECONDS,
    align_mean,
    cut_windows,
    cut_words,
    has_length,
    midpoint_pairs,
    overlap_pairs,
)
from tests.real_data import MOSI_LABEL_TIMES, MOSI_TEXT, SDK, needs

OFFICIAL = MOSI_LABEL_TIMES / "CMU_MOSI_Labels.csd"
WORDS = MOSI_TEXT / "CMU_MOSI_ModifiedTimestampedWords.csd"
EXPECTED = SDK / "sdk_expected.json"

# Times are multiples of 1/8 s, so that sums and differences are exact and the oracle's rounding is the code's.
times = st.integers(0, 24).map(lambda n: n / 8)
intervals = st.lists(st.tuples(times, times), max_size=12).map(lambda rows: np.array(rows, float).reshape(-1, 2))
cells = st.one_of(st.integers(-4, 4).map(float), st.sampled_from([np.nan, np.inf, -np.inf]))


def overlap_oracle(reference, rows, least=1e-5):
    pairs = []
    for r, (start, end) in enumerate(reference):
        found = [i for i, (s, e) in enumerate(rows) if min(end, e) - max(start, s) > least]
        pairs += [(r, i) for i in sorted(found, key=lambda i: rows[i][0])]
    return pairs


def mean_oracle(reference, rows, features):
    out = np.zeros((len(reference), features.shape[1]))
    hollow = empty = 0
    for r in range(len(reference)):
        frames = [i for q, i in overlap_oracle(reference, rows) if q == r]
        empty += not frames
        for column in range(features.shape[1]):
            finite = [float(features[i, column]) for i in frames if math.isfinite(features[i, column])]
            out[r, column] = sum(finite) / len(finite) if finite else 0
            hollow += bool(frames) and not finite
    return out, empty, hollow


@given(intervals, intervals, st.sampled_from([1e-5, 0.2]), st.sampled_from([1, 3, 1 << 21]))
def test_overlap_pairs_equal_the_slow_loop_in_any_order_and_block_size(reference, rows, least, block):
    before = alignment.PAIRS_PER_BLOCK
    alignment.PAIRS_PER_BLOCK = block
    try:
        owners, found = overlap_pairs(reference, rows, least)
    finally:
        alignment.PAIRS_PER_BLOCK = before
    assert list(zip(owners.tolist(), found.tolist(), strict=True)) == overlap_oracle(reference, rows, least)


@given(intervals, intervals)
def test_midpoint_pairs_equal_the_slow_loop(reference, rows):
    owners, found = midpoint_pairs(reference, rows)
    expected = []
    for r, (start, end) in enumerate(reference):
        inside = [i for i, (s, e) in enumerate(rows) if start <= (s + e) / 2 < end]
        expected += [(r, i) for i in sorted(inside, key=lambda i: rows[i][0])]
    assert list(zip(owners.tolist(), found.tolist(), strict=True)) == expected


@settings(deadline=None)
@given(st.data(), intervals, intervals)
def test_align_mean_equals_the_slow_loop_with_dirty_cells(data, reference, rows):
    matrix = st.lists(st.lists(cells, min_size=2, max_size=2), min_size=len(rows), max_size=len(rows))
    features = np.array(data.draw(matrix), np.float32).reshape(-1, 2)
    untouched = features.copy()
    mean, counts = align_mean(reference, rows, features)
    expected, empty, hollow = mean_oracle(reference, rows, features)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    assert counts[Cleaned.WORDS_WITHOUT_FRAMES] == empty
    assert counts[Cleaned.CELLS_WITHOUT_VALUE] == hollow
    used = sorted({i for _, i in overlap_oracle(reference, rows)})
    assert counts[Cleaned.FRAMES_WITH_NAN] == sum(bool(np.isnan(features[i]).any()) for i in used)
    assert counts[Cleaned.FRAMES_WITH_INFINITY] == sum(bool(np.isinf(features[i]).any()) for i in used)
    np.testing.assert_array_equal(features, untouched)


def test_one_infinity_or_one_huge_value_leaves_the_neighbours_exact():
    rows = np.array([[0, 1], [1, 2], [2, 3]], float)
    features = np.array([[-np.inf], [3e38], [0.125]], np.float32)
    mean, _ = align_mean(rows, rows, features)
    np.testing.assert_array_equal(mean, np.array([[0], [3e38], [0.125]], np.float32))


def test_a_row_whose_finite_cells_overflow_in_sum_is_kept():
    features = np.full((1, 3), 3e38, np.float32)
    cleaned, counts = clean(features)
    np.testing.assert_array_equal(cleaned, features)
    assert counts == {}


def test_clean_zeroes_single_cells_and_leaves_its_input():
    features = np.array([[1, np.nan], [np.inf, 2], [3, 4]], np.float32)
    cleaned, counts = clean(features)
    np.testing.assert_array_equal(cleaned, [[1, 0], [0, 2], [3, 4]])
    assert counts == {Cleaned.FRAMES_WITH_NAN: 1, Cleaned.FRAMES_WITH_INFINITY: 1}
    assert np.isnan(features[0, 1])


@pytest.mark.parametrize(("shared", "overlaps"), [(0.9e-5, False), (1.1e-5, True)])
def test_the_least_overlap_is_ten_microseconds(shared, overlaps):
    owners, _ = overlap_pairs(np.array([[1.0, 2.0]]), np.array([[0.0, 1.0 + shared]]))
    assert (len(owners) == 1) is overlaps
    assert has_length(np.array([[0.0, shared]]))[0] == overlaps


def test_nan_times_overlap_nothing_and_infinite_ones_everything():
    rows = np.array([[np.nan, 1], [0, 1], [5, 6]])
    owners, found = overlap_pairs(np.array([[-np.inf, np.inf], [np.nan, np.nan]]), rows)
    assert (owners.tolist(), found.tolist()) == ([0, 0], [1, 2])


def test_cut_words_gives_a_word_to_both_segments_and_counts_it_once():
    spans = np.array([[1.5, 3], [0, 1.75], [9, 9]])
    words = np.array([[2, 3], [0, 1], [1, 2], [5, 6]], float)
    frames = (np.array([[1, 2]], float), np.array([[7]], np.float32))
    used, steps, features, account = cut_words(spans, words, {"audio": frames})
    assert used.tolist() == [0, 1, 2]
    assert [used[positions].tolist() for positions in steps] == [[2, 0], [1, 2], []]
    np.testing.assert_array_equal(features["audio"], [[0], [0], [7]])
    assert account.cleaning() == {"audio: words without frames set to 0": 2}


@needs(OFFICIAL, WORDS, EXPECTED)
def test_real_segments_hold_as_many_rows_as_in_the_official_sdk():
    expected = json.loads(EXPECTED.read_text())["segments"]
    with h5py.File(OFFICIAL) as labels, h5py.File(WORDS) as words:
        spans, rows = (file[next(iter(file))]["data"] for file in (labels, words))
        for video in spans:
            reference = spans[video]["intervals"][()].astype(float)
            owners, _ = overlap_pairs(reference, rows[video]["intervals"][()])
            found = {f"{video}[{k}]": n for k, n in enumerate(np.bincount(owners, minlength=len(reference)).tolist())}
            sdk = {id: expected[id]["glove_vectors"][0] if id in expected else 0 for id in found}
            assert found == sdk


def test_windows_are_means_of_the_frames_that_they_overlap():
    """By a loop over windows and frames."""
    rng = np.random.default_rng(0)
    starts = np.sort(rng.uniform(0, 9, size=80))
    intervals, frames = np.stack([starts, starts + 0.15], 1), rng.normal(size=(80, 3)).astype(np.float32)
    frames[7, 1] = np.nan
    spoken = np.array([[0.2, 1.05], [3.0, 3.05], [4.0, 7.00005]])
    found, account = cut_windows(spoken, 0.25, {"audio": (intervals, frames), "video": (intervals[:0], frames[:0])})
    empty = 0
    for own, (begin, end), count in zip(found, spoken, (4, 1, 12), strict=True):
        assert own["audio"].shape == own["video"].shape == (count, 3)
        for window in range(count):
            start, stop = begin + 0.25 * window, min(begin + 0.25 * (window + 1), end)
            inside = (np.minimum(intervals[:, 1], stop) - np.maximum(intervals[:, 0], start)) > MIN_OVERLAP_SECONDS
            empty += not inside.any()
            expected = np.nanmean(frames[inside], 0) if inside.any() else np.zeros(3)
            np.testing.assert_allclose(own["audio"][window], expected, rtol=1e-5, atol=1e-6)
        assert not own["video"].any()
    assert account.treated[Treated("video", Cleaned.WINDOWS_WITHOUT_FRAMES)] == 17
    assert account.treated.get(Treated("audio", Cleaned.WINDOWS_WITHOUT_FRAMES), 0) == empty
    assert account.treated[Treated("audio", Cleaned.WINDOWS_WITH_CLEANED_FRAMES)] >= 1
