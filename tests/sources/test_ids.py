"""Ids of every style and names of folds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.sources.ids import STYLES, detect_style, parse_segment_id, segment_id, split_name

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
        assert parse_segment_id(raw, style=style) == (video, index)
    assert segment_id(video, index) == SPELL["brackets"](video, index)


def test_the_three_spellings_of_one_segment():
    assert parse_segment_id("_dI--eQ6qVU_3", style="underscore") == ("_dI--eQ6qVU", 2)
    assert parse_segment_id("_dI--eQ6qVU[2]", style="brackets") == ("_dI--eQ6qVU", 2)
    assert parse_segment_id("_dI--eQ6qVU$_$3", style="dollar") == ("_dI--eQ6qVU", 2)
    assert parse_segment_id(np.array([[b"a_b_1", b"0", b"1"]])[0], style="underscore") == ("a_b", 0)


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


@pytest.mark.parametrize(("raw", "shown"), [(3, "id=3"), (b"\xff_1", r"id=b'\\xff_1'"), (None, "id=None")])
def test_ids_that_are_no_text_are_refused(raw, shown):
    with pytest.raises(ValueError, match=f"An id is no text.*{shown}"):
        parse_segment_id(raw, style="underscore")


def test_unknown_style_is_refused():
    with pytest.raises(ValueError, match=r"Unknown style of ids.*style='colon'"):
        parse_segment_id("v:1", style="colon")


@pytest.mark.parametrize(("video", "index"), [("", 0), ("v", -1)])
def test_segment_id_needs_a_video_and_a_row(video, index):
    with pytest.raises(ValueError, match=f"Received: video_id='{video}', index={index}"):
        segment_id(video, index)


def test_detect_style():
    assert detect_style(["a_1[0]", b"b_[12]"]) == "brackets"
    assert detect_style(["a_1", "b_2_3"]) == "underscore"
    assert detect_style(["a_1$_$1", "b$_$3"]) == "dollar"
    with pytest.raises(ValueError, match=r"no known style.*ids=\['plain'\] among 2"):
        detect_style(["v[1]", "plain"])
    with pytest.raises(ValueError, match=r"no known style.*among 2"):
        detect_style(["v[1]", "w_1"])
    with pytest.raises(ValueError, match="among 0"):
        detect_style([])


def test_split_name():
    spelled = ["train", "dev", "Val", b"valid", "validation", " TEST ", "training"]
    assert [split_name(name) for name in spelled] == ["train", "valid", "valid", "valid", "valid", "test", "train"]
    assert split_name("trainer") is None
