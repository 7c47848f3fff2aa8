"""The label's column, the one rule that tells its scale, and what of its values can be stored."""

from dataclasses import replace

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.inspect import verify
from mmtrans.sources.account import Account, Noted, note
from mmtrans.sources.labels import (
    ANY_LABEL,
    Labels,
    by_video,
    check_scale,
    choose_label,
    choose_scale,
    parse_label_range,
    stated_scale,
    storable,
)
from mmtrans.sources.open import open_corpus
from tests.sources import format_files
from tests.tfrecords.segments import make_corpus, make_segments
from tfrecords.schema import LabelScale

FOLDS = {"train": ["a"], "valid": ["b"], "test": ["c"]}


@pytest.mark.parametrize(
    ("names", "dim", "label", "expected"),
    [
        ((), 1, None, (0, "sentiment")),
        (("sentiment score",), 1, None, (0, "sentiment")),
        (("arousal",), 1, None, (0, "arousal")),
        ((), 7, None, (0, "sentiment")),
        ((), 7, "fear", (6, "fear")),
        ((), 7, "2", (2, "sad")),
        ((), 2, 1, (1, "1")),
        ((), 2, "0", (0, "0")),
        (("a", "b"), 2, 1, (1, "b")),
        (("happy", "sad", "anger", "surprise", "disgust", "fear", "Sentiment"), 7, None, (6, "sentiment")),
        (("text sentiment", "audio sentiment"), 2, "audio sentiment", (1, "sentiment")),
        (("arousal", "sentiment score"), 2, "sentiment", (1, "sentiment")),
    ],
)
def test_the_label_column_is_chosen_by_name_or_index(tmp_path, names, dim, label, expected):
    notes = []
    assert choose_label(names, dim, label, tmp_path, notes) == expected
    guess = note(Noted.LABELS_TAKEN_FOR_MOSEI, columns=7, column=expected[0], label=expected[1])
    assert notes == ([guess] if dim == 7 and not names else [])


@pytest.mark.parametrize("dim", [1, 2, 7])
def test_where_no_label_is_read_any_column_will_do(tmp_path, dim):
    notes = []
    assert choose_label((), dim, ANY_LABEL, tmp_path, notes) == (0, "sentiment")
    assert notes == []


@pytest.mark.parametrize(("dim", "label"), [(2, None), (7, "joy"), (7, 7), (7, -1), (7, "\u0663"), (7, "1_0")])
def test_a_label_column_that_is_not_there_is_refused(tmp_path, dim, label):
    with pytest.raises(ValueError, match=rf"There is no such label column\..*Received: label={label!r}"):
        choose_label((), dim, label, tmp_path, [])


def scale(train, test=(), **options):
    """Low, high and neutral of labels of one video in train and one in test, and the notes."""
    labels = Labels(**{"values": {"a": list(train), "c": list(test)}, **options})
    found, notes = choose_scale(labels, FOLDS)
    return (found.low, found.high, found.neutral), notes


MOSI, SIMS = (-3.0, 3.0, 0.0), (-1.0, 1.0, 0.0)
UNIT = [-0.8, 1.0, 0.2, 0.0] * 13


@pytest.mark.parametrize(
    ("train", "options", "expected", "note"),
    [
        ([-1.0, 3.0], {}, MOSI, None),
        # Outliers, as of a fourth annotator.
        ([-2.0, 0.4, 1.0, 11 / 3], {}, MOSI, None),
        ([-5.0, 1.0, 2.0, -1.0, 7.0, 0.0], {}, MOSI, None),
        ([-5.0, -4.0, 4.0, 3.5, 7.0, 0.0], {}, (-7.0, 7.0, 0.0), "Many labels lie beyond -3 and 3"),
        ([0.0, 1.0, 1.0], {}, (0.0, 1.0, 0.5), "from 0 to 1, with neutral point 0.5. State another with --label-range"),
        ([1.0, 4.0], {}, (1.0, 4.0, 2.5), "The labels are on no scale that is known: sentiment is taken from 1 to 4"),
        ([-3.0, -1.0, 0.0], {}, (-3.0, 0.0, -1.5), "no scale that is known"),
        ([0.5, 0.5], {}, MOSI, "All labels are 0.5: sentiment is taken from -3 to 3"),
        ([4.0], {}, (3.0, 5.0, 4.0), "All labels are 4: sentiment is taken from 3 to 5, with neutral point 4"),
        ([2e9], {}, (1e9, 3e9, 2e9), "All labels are 2e+09"),
        ([1.0, 1.0 + 1e-9], {}, MOSI, "All labels are 1"),
        ([], {}, MOSI, "Train and valid have no labels"),
        (UNIT, {}, MOSI, "All labels lie within -1 and 1: sentiment is taken from -3 to 3"),
        (UNIT, {"may_be_unit": True}, SIMS, "All labels lie within -1 and 1: sentiment is taken from -1 to 1"),
        (UNIT[:49], {"may_be_unit": True}, MOSI, None),
        ([abs(x) for x in UNIT], {"may_be_unit": True}, (0.0, 1.0, 0.5), "no scale that is known"),
        ([-1.0, 2.0], {"name": "2", "is_sentiment": False}, (-1.0, 2.0, 0.5), "2 is taken from -1 to 2"),
        ([3.0, 3.0], {"name": "joy", "is_sentiment": False}, (2.0, 4.0, 3.0), "All labels are 3"),
        ([0.0, 1.0], {"stated": LabelScale("sentiment", -9.0, 9.0, 2.0)}, (-9.0, 9.0, 2.0), None),
    ],
)
def test_one_rule_tells_the_scale_and_never_from_test(train, options, expected, note):
    for test in ((), [-3.0], [8.0], [0.25] * 90):
        found, notes = scale(train, test, **options)
        assert found == expected
        assert len(notes) == (note is not None or ("stated" not in options and not train))
        assert note is None or note in notes[0].words


def test_all_labels_are_looked_at_where_the_folds_are_not_known_and_a_source_without_any_says_nothing_here():
    labels = Labels(values={"a": [1.0], "c": [5.0]})
    assert choose_scale(labels)[0] == LabelScale("sentiment", 1.0, 5.0, 3.0)
    assert choose_scale(Labels("joy", is_sentiment=False), FOLDS) == (LabelScale("joy", -1.0, 1.0, 0.0), [])


def test_labels_of_test_that_contradict_train_are_refused_and_a_stated_scale_is_taken():
    labels = Labels(values={"a": [-1.0, 1.0], "c": [4.0, 5.0, 1.0, 5.0, 4.0, 5.0]})
    mosi = choose_scale(labels, FOLDS)[0]
    message = r"labels of test do not fit.*sentiment from -3 to 3.*5 of 8 labels beyond it, they range from -1 to 5\."
    with pytest.raises(ValueError, match=message + r".*--label-range LOW,HIGH"):
        check_scale(mosi, labels)
    assert check_scale(mosi, replace(labels, values={"a": [-1.0, 1.0], "c": [4.0] * 4})) == []
    noted = check_scale(mosi, replace(labels, stated=mosi))
    assert [note.words for note in noted] == ["5 of 8 labels lie beyond the stated -3 to 3: they range from -1 to 5."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-3,3", (-3.0, 3.0, 0.0)),
        ("1,5", (1.0, 5.0, 3.0)),
        ("0,3", (0.0, 3.0, 1.5)),
        (" 0 , 10 , 4 ", (0.0, 10.0, 4.0)),
        ("-1,0.5,0.5", (-1.0, 0.5, 0.5)),
    ],
)
def test_a_stated_range(text, expected):
    found = stated_scale("joy", parse_label_range(text))
    assert found == LabelScale("joy", *expected)


@pytest.mark.parametrize(
    "text", ["", "3", "1,2,3,4", "0,1_0", "a,b", "3,-3", "1,1", "0,1,2", "-1,1,-1.5", "nan,1", "0,inf"]
)
def test_a_range_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"range of the label is not understood.*Received: label_range="):
        stated_scale("x", parse_label_range(text))


@pytest.mark.parametrize(
    "numbers",
    [3, "1,5", (1,), (5, 1), ("0", "1"), (0, True), (0.0, 1e39), (10**400, 1), (1.0, 1.0 + 1e-12), {0, 1}],
)
def test_a_range_in_python_is_checked_before_the_source_is_read(tmp_path, numbers):
    (tmp_path / "train.pkl").write_bytes(b"no pickle")
    with pytest.raises(ValueError, match="range of the label is not understood"):
        open_corpus(tmp_path, label_range=numbers)


def test_labels_that_float32_cannot_hold_are_left_out_and_counted():
    account = Account()
    values = [None, 0.5, np.nan, -np.inf, 1e39, -1e308, 2.0**24, 2.0**53 + 2]
    assert [storable(value, account) for value in values] == [None, 0.5, None, None, None, None, 2.0**24, 2.0**53 + 2]
    assert account.cleaning() == {
        "labels: not finite, kept without a label": 4,
        "labels: beyond 16777216, where whole numbers are rounded": 1,
    }
    assert by_video("aabc", [1.0, np.nan, 1e39, 2]) == {"a": [1.0], "c": [2.0]}


def write(case, tmp_path, monkeypatch, change):
    """A corpus of a format whose segments' labels are changed, each by its split and its label so far."""
    segments = format_files.truth()
    for segment in segments:
        segment.label = change(segment.split, segment.label)
    monkeypatch.setattr(format_files, "truth", lambda: segments)
    with np.errstate(over="ignore"):
        return format_files.WRITERS[case][1](tmp_path / "source")


@pytest.mark.parametrize("case", format_files.WRITERS)
def test_every_reader_clips_outliers_and_leaves_test_out_of_the_range(tmp_path, monkeypatch, case):
    path = write(case, tmp_path, monkeypatch, lambda split, label: {1.8: 5.0, 3.0: 1e39}.get(label, label))
    records = tmp_path / "records"
    manifest = convert(open_corpus(path), records)
    assert manifest.label == LabelScale("sentiment", *MOSI)
    assert manifest.cleaning["labels: beyond -3 to 3, set to the nearer end"] == 1
    assert manifest.cleaning["labels: not finite, kept without a label"] == 2 - ("neutral" in case)
    assert verify(records) == []


@pytest.mark.parametrize("case", format_files.WRITERS)
def test_every_reader_takes_the_range_of_train_and_valid_or_the_stated_one(tmp_path, monkeypatch, case):
    path = write(case, tmp_path, monkeypatch, lambda split, label: 9.0 if split == "test" else abs(label) + 1)
    corpus = open_corpus(path)
    assert corpus.label == LabelScale("sentiment", 1.0, 4.0, 2.5)
    manifest = convert(corpus, tmp_path / "records")
    assert manifest.label == corpus.label
    assert any("sentiment is taken from 1 to 4, with neutral point 2.5." in note for note in manifest.notes)
    assert manifest.cleaning["labels: beyond 1 to 4, set to the nearer end"] == 2
    stated = convert(open_corpus(path, label_range=(0, 10)), tmp_path / "stated")
    assert stated.label == LabelScale("sentiment", 0.0, 10.0, 5.0)
    assert not any("is taken from" in note or "nearer end" in note for note in (*stated.notes, *stated.cleaning))


@pytest.mark.parametrize("label", [None, "sentiment"])
def test_of_several_sentiments_none_is_guessed(tmp_path, label):
    names = ("text sentiment", "audio sentiment", *"abcde")
    with pytest.raises(ValueError, match=r"no such label column\. Expected one of \['text sentiment', "):
        choose_label(names, 7, label, tmp_path, [])


def test_the_scale_follows_the_folds_that_a_conversion_is_given(tmp_path):
    videos = {"v0": [1.0, 2.0], "v1": [1.5], "v2": [5.0]}
    segments = [
        replace(segment, id=f"{video}[{index}]", video_id=video, label=label)
        for (video, index, label), segment in zip(
            [("v0", 0, 1.0), ("v0", 1, 2.0), ("v1", 0, 1.5), ("v2", 0, 5.0)], make_segments(4), strict=True
        )
    ]
    corpus = make_corpus(segments, labels=Labels(values=videos))
    folds = tmp_path / "folds.csv"
    folds.write_text("video,split\nv0,train\nv1,valid\nv2,test\n")
    manifest = convert(corpus, tmp_path / "records", folds_path=folds)
    assert manifest.label == LabelScale("sentiment", 1.0, 2.0, 1.5)
    assert manifest.cleaning["labels: beyond 1 to 2, set to the nearer end"] == 1
    assert manifest.summary["test"].labels["2"] == 1


def test_labels_of_videos_in_no_fold_do_not_contradict_the_scale(tmp_path):
    videos = ["v0", "v1", "v2"] + ["left"] * 5
    labels = [-1.0, 1.0, 2.0] + [-99.0] * 5
    segments = [
        replace(segment, id=f"{video}[{index}]", video_id=video, label=label)
        for index, (video, label, segment) in enumerate(zip(videos, labels, make_segments(8), strict=True))
    ]
    corpus = make_corpus(segments, labels=Labels(values=by_video(videos, labels)))
    folds = tmp_path / "folds.csv"
    folds.write_text("video,split\nv0,train\nv1,valid\nv2,test\n")
    assert convert(corpus, tmp_path / "records", folds_path=folds).label == LabelScale("sentiment", -3.0, 3.0, 0.0)
    folds.write_text("video,split\nv0,train\nv1,valid\nleft,test\n")
    with pytest.raises(ValueError, match=r"The labels of test do not fit.*5 of 7 labels beyond it"):
        convert(corpus, tmp_path / "others", folds_path=folds)


def test_labels_are_whole_where_float32_moves_them_over_the_end(tmp_path):
    segments = [replace(segment, label=33554435.0) for segment in make_segments(4)]
    corpus = replace(make_corpus(segments), label=LabelScale("count", 0.0, 33554435.0, 5.0))
    convert(corpus, tmp_path / "records")
    assert verify(tmp_path / "records") == []
