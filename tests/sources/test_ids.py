"""Ids of every style and names of folds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.sources.ids import STYLES, cells_of, find_style, id_text, parse_segment_id, split_name
from tfrecords.schema import parts_of, segment_id, video_of

SPELL = {
    "brackets": lambda video, index: f"{video}[{index}]",
    "underscore": lambda video, index: f"{video}_{index + 1}",
    "dollar": lambda video, index: f"{video}$_${index + 1}",
}
VIDEOS = st.text("aZ09-_[]$é\n", min_size=1)


@given(video=VIDEOS, index=st.integers(0, 10**6), style=st.sampled_from(STYLES))
def test_round_trip(video, index, style):
    spelled = SPELL[style](video, index)
    for raw in (
        spelled,
        spelled.encode(),
        np.str_(spelled),
        [spelled, "0.1", "2.5"],
        np.array([spelled.encode(), b"0"]),
    ):
        assert parse_segment_id(id_text(raw), style=style) == (video, index)
    assert segment_id(video, index) == SPELL["brackets"](video, index)
    assert video_of(segment_id(video, index)) == video
    assert parts_of(segment_id(video, index)) == (video, index)


def test_the_three_spellings_of_one_segment():
    assert parse_segment_id("_dI--eQ6qVU_3", style="underscore") == ("_dI--eQ6qVU", 2)
    assert parse_segment_id("_dI--eQ6qVU[2]", style="brackets") == ("_dI--eQ6qVU", 2)
    assert parse_segment_id("_dI--eQ6qVU$_$3", style="dollar") == ("_dI--eQ6qVU", 2)
    assert parse_segment_id("a_b_0", style="underscore", first=0) == ("a_b", 0)


@pytest.mark.parametrize(
    ("raw", "style"),
    [
        ("v_0", "underscore"),
        ("v$_$0", "dollar"),
        ("v", "brackets"),
        ("v[-1]", "brackets"),
        ("[1]", "brackets"),
        ("v[1", "brackets"),
    ],
)
def test_ids_in_another_style_are_refused(raw, style):
    with pytest.raises(ValueError, match=rf"not in the style of its file. Expected {style}.*id='"):
        parse_segment_id(raw, style=style)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (3, "3"),
        (np.int64(9007199254740993), "9007199254740993"),
        (12.0, "12"),
        (np.float32(1.5), "1.5"),
        (True, "True"),
        (b"caf\xc3\xa9_1", "café_1"),
        (b"caf\xe9_1", "café_1"),
        (np.bytes_(b"v"), "v"),
        ("v\udcff", "v\\udcff"),
        (None, ""),
        (float("nan"), ""),
        (np.float64("nan"), ""),
        ("", ""),
        ([], ""),
        ((b"v_1", 0.5, None), "v_1"),
        (np.array(["v_1", "0.5"]), "v_1"),
        (np.array(7), "7"),
    ],
)
def test_ids_of_every_type_are_text(raw, text):
    assert id_text(raw) == text


def test_cells():
    assert cells_of((b"v", 1.5, np.int32(2), None)) == ("v", "1.5", "2", "")
    assert cells_of(np.array([[b"a", b"b"]])) == ("a", "b")
    assert cells_of("v") == ("v",)


def test_unknown_style_is_refused():
    with pytest.raises(ValueError, match=r"Unknown style of ids.*style='colon'"):
        parse_segment_id("v:1", style="colon")


@pytest.mark.parametrize(("video", "index"), [("", 0), ("v", -1)])
def test_segment_id_needs_a_video_and_a_row(video, index):
    with pytest.raises(ValueError, match=f"Received: video_id='{video}', index={index}"):
        segment_id(video, index)


def test_find_style():
    assert find_style(["a_1[0]", "b_[12]"]) == "brackets"
    assert find_style(["a_1", "b_2_3"]) == "underscore"
    assert find_style(["a_1$_$1", "b$_$3"]) == "dollar"
    for texts in (["v[1]", "plain"], ["v[1]", "w_1"], [], ["v_" + "1" * 19], ["v_\u0663"]):
        assert find_style(texts) is None
    assert find_style(["v[1]", "w_1"], each=True) == "brackets"
    assert find_style(["v[1]", "w"], each=True) is None


def test_split_name():
    spelled = ["train", "dev", "Val", b"valid", "validation", " TEST ", "training"]
    assert [split_name(name) for name in spelled] == ["train", "valid", "valid", "valid", "valid", "test", "train"]
    assert split_name("trainer") is None
