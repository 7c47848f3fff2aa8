"""Which video a segment is of: ids of every style, guesses that the splits contradict, ids of no style, and none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.sources.account import Noted, note
from mmtrans.sources.segment_names import are_videos, name_rows, split_folds


def name(ids, split="train"):
    """Names and notes of segments of one split."""
    names, _, notes = name_rows(ids, [split] * len(ids))
    return names, notes


def name_splits(**ids):
    """The same of several splits, given by name."""
    splits = [split for split, of_split in ids.items() for _ in of_split]
    return name_rows([raw for of_split in ids.values() for raw in of_split], splits)


@given(st.sampled_from(["{}[{}]", "{}_{}", "{}$_${}"]), st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_ids_of_every_style(style, indices):
    base = 0 if "[" in style else 1
    assert name([style.format("a_-1", k) for k in indices]) == ([("a_-1", k - base) for k in indices], [])


@pytest.mark.parametrize("style", ["{}_{}", "{}$_${}"])
def test_ids_that_count_from_0_are_read_so_and_noted(style):
    named, notes = name([style.format("v", 3), style.format("w_1", 0)])
    assert named == [("v", 3), ("w_1", 0)]
    assert notes == [note(Noted.COUNTED_FROM_0, example=style.format("v", 3))]


def test_rows_of_video_and_times_are_ranked_in_time():
    rows = np.array([["a", "9.5", "11"], ["b_1", "0", "1"], ["a", "10.0", "12"], ["a", "2", "3"], ["a", "9.5", "11"]])
    named, notes = name(rows)
    assert named == [("a", 1), ("b_1", 0), ("a", 2), ("a", 0), ("a", 1)]
    assert notes == [note(Noted.RANKED_IN_TIME)]
    # Video ids that look like whole ids, and whole ids with times beside them.
    assert name(np.array([["v_1", "4", "5"], ["v_1", "1", "2"]]))[0] == [("v_1", 1), ("v_1", 0)]
    assert name(np.array([[b"v_1", b"4", b"5"], [b"v_2", b"1", b"2"]]))[0] == [("v", 0), ("v", 1)]
    # Times that are none, and rows that their first cells do not tell apart.
    assert name([("a", "1_0", "2"), ("a", "3", "4")])[0] == [("a, 1_0, 2", 0), ("a, 3, 4", 0)]
    assert name([("dia0", 1), ("dia0", 2)])[0] == [("dia0, 1", 0), ("dia0, 2", 0)]


def test_a_guess_that_puts_a_video_into_several_splits_is_given_up():
    names, folds, notes = name_splits(train=["clip_07", "clip_08"], valid=["clip_09"], test=["clip_10"])
    assert names == [("clip_07", 0), ("clip_08", 0), ("clip_09", 0), ("clip_10", 0)]
    assert folds == {"train": ["clip_07", "clip_08"], "valid": ["clip_09"], "test": ["clip_10"]}
    assert [note.words for note in notes] == [
        "The ids (like 'clip_07', 'clip_08', 'clip_09') would make 'clip' one video in several splits: each counts as "
        "a video of its own, in records clip_07[0], so intervals by video are intervals by segment."
    ]


def test_the_guess_stands_where_the_splits_agree_with_it():
    names, folds, notes = name_splits(train=["a_1", "a_2", "b_1"], test=["c_1"])
    assert (names, notes) == ([("a", 0), ("a", 1), ("b", 0), ("c", 0)], [])
    assert folds == {"train": ["a", "b"], "test": ["c"]}


def test_many_ids_of_one_video_are_so_many_videos():
    ids = [f"talk_{k}" for k in range(1, 11)]
    assert name(ids[:9], None) == ([("talk", k) for k in range(9)], [])
    named, notes = name(ids, None)
    assert named == [(text, 0) for text in ids]
    assert (notes[0].what, notes[0].details["video"]) == (Noted.IDS_OF_ONE_VIDEO, "talk")
    # A file of one split has no folds to lose.
    assert name(ids)[0] == [("talk", k) for k in range(10)]
    names, folds, _ = name_splits(train=[f"v$_${k}" for k in range(1, 8)], test=[f"v$_${k}" for k in range(8, 12)])
    assert names[0] == ("v$_$1", 0)
    assert {split: len(videos) for split, videos in folds.items()} == {"train": 7, "test": 4}


def test_numbers_that_are_written_in_two_ways_are_two_segments():
    assert name(["v_01", "v_1", "v_2"])[0] == [("v_01", 0), ("v_1", 0), ("v_2", 0)]


@pytest.mark.parametrize(
    ("ids", "named"),
    [
        (["dia0_utt3", "dia0_utt4"], ["dia0_utt3", "dia0_utt4"]),
        ([5, np.int64(9007199254740993), 9007199254740992], ["5", "9007199254740993", "9007199254740992"]),
        (np.array([1.0, 2.0]), ["1", "2"]),
        (["v[1]", "w_1", b"x", 4], ["v[1]", "w_1", "x", "4"]),
        (["a\nb", "a\u2028b", "a/b", "..", "a\tb"], ["a\nb", "a\u2028b", "a/b", "..", "a\tb"]),
        (["v_" + "1" * 5000], ["v_" + "1" * 5000]),
    ],
)
def test_ids_of_no_style_are_videos_of_their_own(ids, named):
    names, notes = name(ids)
    assert names == [(text, 0) for text in named]
    assert [note.what for note in notes] == [Noted.IDS_OF_NO_STYLE]


@pytest.mark.parametrize(
    ("ids", "splits", "expected"),
    [
        (["dia0_utt3", None, b"x", 5], ["train"] * 4, True),
        (["clip_07", "clip_08", "clip_09"], ["train", "train", "test"], True),
        ([("dia0", 1), ("dia0", 2)], ["train"] * 2, True),
        (["v_1", "w_2"], ["train"] * 2, False),
        (["v[0]", "w[0]"], ["train"] * 2, False),
        (["talk", "talk", "walk"], ["train"] * 3, False),
        ([0, 1, 0, 1], ["train", "train", "test", "test"], False),
        ([None, None], ["train"] * 2, False),
    ],
)
def test_whether_a_video_bears_the_id_of_its_one_segment(ids, splits, expected):
    assert are_videos(ids, name_rows(ids, splits)[0]) is expected


def test_ids_that_begin_anew_in_each_split_are_told_apart_by_it():
    names, folds, notes = name_splits(train=[0, 1, 2], valid=[0, 1], test=[2, 3, 0])
    assert names[:4] == [("train_0", 0), ("train_1", 0), ("train_2", 0), ("valid_0", 0)]
    assert folds == {
        "train": ["train_0", "train_1", "train_2"],
        "valid": ["valid_0", "valid_1"],
        "test": ["test_2", "test_3", "test_0"],
    }
    assert "within its split, since splits share them, in records train_0[0]" in notes[0].words
    # As MELD's dialogues do.
    names, _, _ = name_splits(train=["dia_0$_$utt_0", "dia_0$_$utt_1"], test=["dia_0$_$utt_0"])
    assert names == [("train_dia_0$_$utt_0", 0), ("train_dia_0$_$utt_1", 0), ("test_dia_0$_$utt_0", 0)]


def test_few_ids_in_two_splits_stay_one_segment_and_few_repeats_too():
    names, folds, _ = name_splits(train=["p", "q", "r", "p"], test=["s", "t", "r"])
    assert [video for video, _ in names] == ["p", "q", "r", "p", "s", "t", "r"]
    assert folds == {"train": ["p", "q", "r"], "test": ["s", "t"]}
    names, folds, notes = name_splits(train=["v_1", "v_2"], test=["w_1", "v_1"])
    assert (names[3], folds, notes) == (("v", 0), {"train": ["v"], "test": ["w"]}, [])


def test_splits_that_hold_the_same_segments_are_noted():
    names, folds, notes = name_splits(train=["v[0]", "v[1]"], test=["v[0]", "v[1]"])
    assert names == [("v", 0), ("v", 1)] * 2
    assert folds == {"train": ["v"], "test": []}
    assert notes == [note(Noted.SHARED_IDS, example="v[0]")]


@pytest.mark.parametrize("ids", [["v[0]", "v[1]"], ["v_1", "v_2"], ["v$_$1", "v$_$2"]])
def test_labels_tell_whether_splits_hold_the_same_segments(ids):
    splits = ["train", "train", "test", "test"]
    same, others = [0.5, (1, np.nan), 0.5, (1, np.nan)], [0.5, None, -0.5, np.nan]
    names, folds, notes = name_rows(ids * 2, splits, same)
    assert (names, folds) == ([("v", 0), ("v", 1)] * 2, {"train": ["v"], "test": []})
    assert notes == [note(Noted.SHARED_IDS, example=ids[0])]
    names, folds, notes = name_rows(ids * 2, splits, others)
    assert len(set(names)) == 4
    if ids[0] == "v[0]":
        assert names == [("train_v", 0), ("train_v", 1), ("test_v", 0), ("test_v", 1)]
        assert folds == {"train": ["train_v"], "test": ["test_v"]}
        assert notes == [note(Noted.SHARED_IDS_APART, example="v[0]", video="train_v")]


@pytest.mark.parametrize(("different", "kept"), [(0, 10), (1, 10), (2, 20), (10, 20)])
def test_few_corrected_labels_make_no_other_segments(different, kept):
    ids, labels = [f"v[{k}]" for k in range(10)], [1.0] * 10
    others = [0.0] * different + [1.0] * (10 - different)
    names, _, _ = name_rows(ids * 2, ["train"] * 10 + ["test"] * 10, labels + others)
    assert len(set(names)) == kept


def test_ids_that_repeat_are_videos_of_several_segments():
    names, folds, notes = name_splits(train=["talk", "talk", "walk", "talk"], test=["zoo", "zoo"])
    assert names == [("talk", 0), ("talk", 1), ("walk", 0), ("talk", 2), ("zoo", 0), ("zoo", 1)]
    assert folds == {"train": ["talk", "walk"], "test": ["zoo"]}
    assert notes == [note(Noted.REPEATED_IDS, example="talk")]


def test_without_ids_a_segment_is_its_own_video():
    names, folds, notes = name_splits(train=[None, None], test=[float("nan")])
    assert names == [("train_0", 0), ("train_1", 0), ("test_0", 0)]
    assert folds == {"train": ["train_0", "train_1"], "test": ["test_0"]}
    assert notes == [note(Noted.NO_IDS)]


def test_rows_without_an_id_among_others():
    names, _, notes = name_splits(train=["v_1", "", "train_1_1", None], test=["w_1"])
    assert names == [("v", 0), ("_train_1", 0), ("train_1", 0), ("train_3", 0), ("w", 0)]
    assert notes == [note(Noted.SOME_WITHOUT_ID, count=2, listed="_train_1, train_3")]
    assert name([None, "v_2"], None)[0] == [("row_0", 0), ("v", 1)]


def test_a_stated_video_in_two_splits_leaves_the_folds_open():
    names, splits = [("a", 0), ("b", 0), ("a", 1)], ["train", "train", "test"]
    folds, notes = split_folds(names, splits)
    assert folds is None
    assert notes == [note(Noted.SPLITS_WOULD_LEAK, count=1, videos=2, listed="a")]
    assert split_folds([("a", 0), ("a", 1), ("b", 1)], splits) == ({"train": ["a"], "test": ["b"]}, [])
    assert name_splits(train=["a[0]", "b[0]"], test=["a[1]"])[1] is None
    assert split_folds(names, [None] * 3) == (None, [])
    assert split_folds(names, ["train", None, None]) == (None, [note(Noted.SOME_WITHOUT_SPLIT)])
