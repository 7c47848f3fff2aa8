"""Folds: which source of them wins, the official ones, the draw, and every way a folds file is wrong."""

import csv
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.conversion.folds import MOSI_TRAIN, MOSI_VALID, assign_folds
from tests.real_data import MOSI_TEXT, needs

SEGMENTS = MOSI_TEXT / "segments.csv"


def _file(tmp_path, text, name="folds.json"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_official_ids_are_sorted_cuts():
    known = MOSI_TRAIN + MOSI_VALID
    assert (len(MOSI_TRAIN), len(MOSI_VALID)) == (52, 10)
    assert list(known) == sorted(set(known))


@needs(SEGMENTS)
def test_real_segments_fall_in_their_official_folds():
    rows = list(csv.DictReader(SEGMENTS.open(encoding="utf-8")))
    folds, origin = assign_folds(row["video_id"] for row in rows)
    assert origin == "official MOSI folds"
    assert {split: len(videos) for split, videos in folds.items()} == {"train": 52, "valid": 10, "test": 0}
    assert all(row["video_id"] in folds[row["split"]] for row in rows)
    assert Counter(row["split"] for row in rows) == {"train": 1284, "valid": 229}
    assert assign_folds([row["video_id"] for row in rows], path=SEGMENTS)[0] == folds


def test_ids_after_the_last_valid_one_are_mosi_test_videos():
    later = [f"c{n}x" for n in range(6, 9)] + ["d-_1", "zz"]
    folds, origin = assign_folds([*later, MOSI_VALID[0], MOSI_TRAIN[3], MOSI_TRAIN[3]])
    assert origin == "official MOSI folds"
    assert folds == {"train": (MOSI_TRAIN[3],), "valid": (MOSI_VALID[0],), "test": tuple(sorted(later))}


@pytest.mark.parametrize("videos", [[*MOSI_TRAIN, "A stranger"], ["d", "e", "f"]])
def test_what_is_not_mosi_is_drawn(videos):
    assert assign_folds(videos, seed=3)[1] == "random 70/10/20 by video, seed 3"


@given(videos=st.lists(st.text("xyz12-_", min_size=1), min_size=1, max_size=60), seed=st.integers(0, 5))
def test_draw_partitions_the_videos(videos, seed):
    videos = [f"!{video}" for video in videos]  # sorts before every MOSI id
    folds, _ = assign_folds(videos, seed=seed)
    total = len(set(videos))
    assert all(list(members) == sorted(members) for members in folds.values())
    assert Counter(video for members in folds.values() for video in members) == Counter(set(videos))
    sizes = [len(folds[split]) for split in ("train", "valid", "test")]
    if total < 3:
        assert sizes == [1, total - 1, 0]
    else:
        assert min(sizes) >= 1
        assert sizes[1] == 1 or abs(sizes[1] - total / 10) <= 0.5
        assert sizes[2] == 1 or abs(sizes[2] - total / 5) <= 0.5
    assert assign_folds(reversed(videos), seed=seed)[0] == folds


def test_draw_is_the_same_everywhere_and_depends_on_the_seed():
    videos = [f"video{n}" for n in range(10)]
    folds, _ = assign_folds(videos)
    # By hand: the smallest SHA-256 of "0:video5", then of "0:video1" and "0:video7".
    assert (folds["valid"], folds["test"]) == (("video5",), ("video1", "video7"))
    assert len({assign_folds(videos, seed=seed)[0]["test"] for seed in range(8)}) > 1


def test_precedence_and_spellings(tmp_path):
    videos = ["b", "a", MOSI_TRAIN[0]]
    own = {"dev": ["a"], "train": ["b", MOSI_TRAIN[0], "elsewhere"]}
    path = _file(tmp_path, json.dumps({"test": ["a"], "Validation": ["b"], "train": [MOSI_TRAIN[0]]}))
    from_own = ({"train": (MOSI_TRAIN[0], "b"), "valid": ("a",), "test": ()}, "the source's own folds")
    assert assign_folds(videos, own=own) == from_own
    from_file = ({"train": (MOSI_TRAIN[0],), "valid": ("b",), "test": ("a",)}, "folds file folds.json")
    assert assign_folds(videos, own=own, path=path) == from_file
    assert assign_folds([MOSI_TRAIN[0]], own={})[1] == "official MOSI folds"


@pytest.mark.parametrize(
    "text",
    [
        "video,split\na,train\na,train\nb\u2028c,dev\n",
        "Split,extra,video_id\r\ntrain,1,a\r\ntrain,2,a\r\n\r\ndev,3,b\u2028c\r\n",
        'video;split\n"a";train\nb\u2028c;val\n',
        "split\tvideo\n train \t a\nValid\tb\u2028c",
    ],
)
def test_csv_with_repeated_rows_and_other_line_ends_and_separators(tmp_path, text):
    path = tmp_path / "folds.csv"
    path.write_bytes(("\ufeff" + text).encode())
    assert assign_folds(["a", "b\u2028c"], path=path)[0] == {"train": ("a",), "valid": ("b\u2028c",), "test": ()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train": ["a"], "test": ["a", "b"]}', r"A video is in two folds.*video='a' in train and test"),
        ("video,split\na,train\nb,test\nb,valid", "A video is in two folds.*video='b' in test and valid"),
        (
            '{"train": ["z", "y"]}',
            r"No video .* is in a fold.*like \['a', 'b'\].*2 ids, like \['y', 'z'\].*--folds FILE",
        ),
        ('{"train": ["b"], "held": ["a"]}', "folds file cannot be read.*fold='held', which is none of"),
        ('{"train": ["b"], "train": ["a"]}', r"folds file cannot be read.*given twice, \['train', 'train'\]"),
        ('{"train": ["b"], "val": ["a"], "dev": ["b"]}', "A video is in two folds.*video='b' in train and valid"),
        ('{"train": "a"}', "folds file cannot be read.*train: no list of video ids"),
        ('{"train": [1.0]}', "folds file cannot be read.*train: no list of video ids"),
        ('{"train": [true]}', "folds file cannot be read.*train: no list of video ids"),
        ('{"train": [' + "1" * 5000 + "]}", "folds file cannot be read.*digits"),
        ("[" * 100_000, "folds file cannot be read.*recursion"),
        ('["a"]', "folds file cannot be read.*no folds"),
        ('{"train": ', "folds file cannot be read.*line 1"),
        ("", r"folds file cannot be read: it is an empty file"),
        ("name,split\na,train", r"folds file cannot be read.*columns \['name', 'split'\]"),
        ("video,split\na", "folds file cannot be read.*line 2 without a video or a split"),
        ("video,split", "folds file cannot be read.*no folds"),
    ],
)
def test_wrong_folds_files(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        assign_folds(["b", "a"], path=_file(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_binary_folds_file(tmp_path):
    path = tmp_path / "folds.csv"
    path.write_bytes(b"\xff\xfe\x00video")
    with pytest.raises(ValueError, match=r"folds file cannot be read.*folds.csv"):
        assign_folds(["a"], path=path)


def test_own_folds_that_overlap_or_miss_a_video():
    with pytest.raises(ValueError, match=r"in two folds.*video='a' in train and valid \(the source's own folds\)"):
        assign_folds(["a"], own={"train": ["a"], "valid": ["a"]})
    with pytest.raises(ValueError, match=r"Unknown fold.*fold='held' \(the source's own folds\)"):
        assign_folds(["a"], own={"held": ["a"]})


def test_videos_that_are_not_named_are_in_no_fold(tmp_path):
    assert assign_folds(["a", "b"], own={"train": ["a"]})[0] == {"train": ("a",), "valid": (), "test": ()}
    path = _file(tmp_path, '{"test": ["-9Y", 243646, 9007199254740993, "absent"]}')
    folds, _ = assign_folds(["-9Y", "243646", "9007199254740993", "zz", "9007199254740992"], path=path)
    assert folds == {"train": (), "valid": (), "test": ("-9Y", "243646", "9007199254740993")}


def test_no_videos_and_no_file(tmp_path):
    with pytest.raises(ValueError, match="There are no videos to fold"):
        assign_folds([])
    with pytest.raises(FileNotFoundError, match=r"There is no folds file at .*none.json"):
        assign_folds(["a"], path=tmp_path / "none.json")
