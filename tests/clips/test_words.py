import json
import os

import pytest

from mmtrans.clips.words.files import read_words_file, words_beside
from mmtrans.clips.words.listed import read_listed
from mmtrans.clips.words.subtitles import read_subtitles
from mmtrans.clips.words.textgrid import read_textgrid
from mmtrans.clips.words.timed import TimedWord, fill, spread, words_of

SRT = """1
00:00:01,000 --> 00:00:02,000
- Hello, <i>big</i>
world!

2
00:01:03,500 --> 01:00:04,000
[Music]

3
00:00:05,000 --> 00:00:06,000
bye
"""

VTT = """WEBVTT

NOTE this is
not spoken

00:01.000 --> 00:03.000 align:start
<00:01.000><c>hi</c> <00:02.500><c>you</c>

00:03.000 --> 00:04.000
hi you

a cue
00:04.000 --> 00:05.000
hi you there &amp; now
"""

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones 2"
        xmin = 0
        xmax = 2
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2
            text = "AH0"
    item [2]:
        class = "TextTier"
        name = "points"
        xmin = 0
        xmax = 2
        points: size = 1
        points [1]:
            number = 1
            mark = "x"
    item [3]:
        class = "IntervalTier"
        name = "Words"
        xmin = 0
        xmax = 2
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "sp"
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "say ""x"""
        intervals [3]:
            xmin = 1
            xmax = 2
            text = "2day"
'''

SHORT = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n1\n'
    '"IntervalTier"\n"a"\n0\n2\n1\n0\n2\n"hi"\n'
)


def told(words):
    return [(word.text, round(word.start, 3), round(word.end, 3), word.how) for word in words]


def test_words_lack_the_marks_around_them():
    assert words_of(" “Don't, well-known (U.S.A.) … [Music plays] _ 7up! -") == ["Don't", "well-known", "U.S.A", "7up"]


def test_words_are_spread_by_their_letters():
    assert told(spread(["a", "bcd"], 1.0, 3.0)) == [("a", 1.0, 1.5, "spread"), ("bcd", 1.5, 3.0, "spread")]


def test_words_without_a_time_stand_in_the_gap_before_the_next():
    filled = fill(["a", "bb", "c", "d"], [None, (1.0, 2.0), None, (3.0, 4.0)], 5.0)
    assert told(filled) == [
        ("a", 0.0, 1.0, "spread"),
        ("bb", 1.0, 2.0, "aligned"),
        ("c", 2.0, 3.0, "spread"),
        ("d", 3.0, 4.0, "aligned"),
    ]


def test_words_without_a_time_share_that_of_the_word_before_where_there_is_no_gap():
    filled = fill(["aaa", "b", "c"], [(1.0, 2.0), None, (2.0, 3.0)], 3.0)
    assert told(filled) == [("aaa", 1.0, 1.75, "aligned"), ("b", 1.75, 2.0, "spread"), ("c", 2.0, 3.0, "aligned")]
    filled = fill(["aaa", "b"], [(1.0, 2.0), None], 2.0)
    assert told(filled) == [("aaa", 1.0, 1.75, "aligned"), ("b", 1.75, 2.0, "spread")]
    filled = fill(["a", "bbb"], [None, (0.0, 2.0)], 2.0)
    assert told(filled) == [("a", 0.0, 0.5, "spread"), ("bbb", 0.5, 2.0, "aligned")]


def test_subtitles_spread_their_words_over_a_line():
    assert told(read_subtitles(SRT)) == [
        ("Hello", 1.0, 1.385, "spread"),
        ("big", 1.385, 1.615, "spread"),
        ("world", 1.615, 2.0, "spread"),
        ("bye", 5.0, 6.0, "spread"),
    ]


def test_marks_inside_of_a_line_tell_the_times_and_rolling_lines_give_new_words():
    assert told(read_subtitles(VTT)) == [
        ("hi", 1.0, 2.5, "given"),
        ("you", 2.5, 3.0, "given"),
        ("there", pytest.approx(4.417, abs=0.1), pytest.approx(4.75, abs=0.1), "spread"),
        ("now", pytest.approx(4.75, abs=0.1), 5.0, "spread"),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [("hello", "it has no line with times"), ("00:00:02,000 --> 00:00:01,000\nx", "a line ends before it begins")],
)
def test_what_are_no_subtitles_is_told(text, match):
    with pytest.raises(ValueError, match=match):
        read_subtitles(text)


def test_a_textgrid_gives_its_tier_of_words():
    assert told(read_textgrid(LONG)) == [
        ("say", 0.5, 0.75, "spread"),
        ('"x"', 0.75, 1.0, "spread"),
        ("2day", 1.0, 2.0, "given"),
    ]
    assert told(read_textgrid(SHORT)) == [("hi", 0.0, 2.0, "given")]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("hello", "it is no TextGrid"),
        (LONG[:-120], "it is cut off"),
        (SHORT.replace("IntervalTier", "TextTier").replace("\n1\n0\n2\n", "\n0\n"), "it has no tier of intervals"),
        ('"TextGrid"', "it is cut off"),
    ],
)
def test_what_is_no_whole_textgrid_is_told(text, match):
    with pytest.raises(ValueError, match=match):
        read_textgrid(text)


def test_json_gives_words_of_recognisers():
    words = [{"word": " b", "start": 2, "end": 2.5}, {"word": "a", "start": 0.5, "end": 1}]
    expected = [("a", 0.5, 1.0, "given"), ("b", 2.0, 2.5, "given")]
    assert told(read_listed(json.dumps(words))) == expected
    assert told(read_listed(json.dumps({"words": words, "text": "b a", "start": 0, "end": 9}))) == expected
    segments = [{"text": "c dd", "start": 3, "end": 6}, {"text": "b a", "start": 0, "end": 3, "words": words}]
    assert told(read_listed(json.dumps({"segments": segments}))) == [
        *expected,
        ("c", 3.0, 4.0, "spread"),
        ("dd", 4.0, 6.0, "spread"),
    ]


@pytest.mark.parametrize("text", ["{}", "[1, null]", '[{"word": "a", "start": NaN, "end": 1}]', "[" * 100_000, "{"])
def test_json_without_words_is_told(text):
    with pytest.raises(ValueError, match=r"it has no words with start and end|it is no list of words|Expecting"):
        read_listed(text)


def test_the_file_of_the_same_name_with_the_most_exact_times_counts(tmp_path):
    clip = tmp_path / "a.b.mp4"
    assert words_beside(clip) is None
    (tmp_path / "a.b.TextGrid").mkdir()
    os.mkfifo(tmp_path / "a.b.json")
    assert words_beside(clip) is None
    (tmp_path / "a.b.json").unlink()
    for ending, text in [(".txt", "x y"), (".srt", SRT), (".vtt", VTT), (".json", '[{"word":"w","start":0,"end":1}]')]:
        (tmp_path / f"a.b{ending}").write_text(text)
        assert words_beside(clip) == tmp_path / f"a.b{ending}"
    assert read_words_file(tmp_path / "a.b.txt") == "x y"
    assert read_words_file(tmp_path / "a.b.json") == [TimedWord("w", 0.0, 1.0)]
    (tmp_path / "a.b.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"it is not UTF-8\. .*a\.b\.json"):
        read_words_file(tmp_path / "a.b.json")
    (tmp_path / "a.b.json").write_text("{}")
    with pytest.raises(ValueError, match=r"^a\.b\.json: it has no words with start and end$"):
        read_words_file(tmp_path / "a.b.json")
