"""What is special about MulT's, MMSA's, MultiBench's and LMF's pickles; that they agree is in test_formats_agree."""

import pickle
import re

import numpy as np
import pytest

from mmtrans.sources.account import Noted
from mmtrans.sources.open import open_corpus
from mmtrans.sources.padded.split_pickles import classify, open_split_pickle
from tests.sources import format_files
from tests.sources.format_files import dump, dump_python_2, truth
from tfrecords.schema import LabelScale


def _part(n=2, **parts):
    return {"text": np.ones((n, 3, 4), np.float32), "labels": np.arange(n) / 2, **parts}


@pytest.mark.parametrize(
    ("parts", "format"),
    [
        ({}, "mult"),
        ({"id": np.array([[b"v_1", b"0", b"1"], [b"v_2", b"1", b"2"]])}, "mult"),
        ({"id": ["v[0]", "v[1]"]}, "multibench"),
        ({"regression_labels": np.zeros(2)}, "mmsa"),
        ({"text_bert": np.zeros((2, 3, 3))}, "mmsa"),
        ({b"facet": np.ones((2, 5))}, "lmf"),
    ],
)
def test_the_format_is_told_by_the_parts(parts, format):
    assert classify({"train": _part(**{}) | parts, "meta": 3}) == format
    assert classify({b"train": _part() | parts}) == format


@pytest.mark.parametrize("content", [[], 3, {}, {"train": []}, {"train": {"x": 1}}, {"a": _part()}, {1: _part()}])
def test_other_content_is_none_of_them(content):
    assert classify(content) is None


@pytest.mark.parametrize("write", [format_files.mult, format_files.lmf])
def test_files_of_python_2(tmp_path, write):
    path = write(tmp_path)
    expected = list(open_corpus(path).read())
    old = dump_python_2(tmp_path / "old.p", pickle.loads(path.read_bytes()))
    assert b"_codecs" not in old.read_bytes()
    for segment, other in zip(open_corpus(old).read(), expected, strict=True):
        assert (segment.id, segment.label) == (other.id, other.label)
        for name, array in other.features.items():
            np.testing.assert_array_equal(segment.features[name], array)


def test_folds_named_dev_and_text_keys(tmp_path):
    corpus = open_corpus(format_files.mult(tmp_path, dev="dev"))
    assert corpus.folds == {"train": ["a_-1", "-b_5"], "valid": ["c"], "test": ["d$_", "e"]}
    assert open_corpus(format_files.lmf(tmp_path, bytes_keys=False), format="lmf").format == "lmf"


def test_mosei_ids_are_ranked_in_time(tmp_path):
    corpus = open_corpus(format_files.mult(tmp_path, ids="times"))
    assert [segment.id for segment in corpus.read()] == [
        "a_-1[0]",
        "a_-1[1]",
        "-b_5[0]",
        "c[1]",
        "c[0]",
        "d$_[0]",
        "e[0]",
    ]
    assert "The ids have no index: it is the rank in time within the video." in corpus.notes


def test_without_ids(tmp_path):
    corpus = open_corpus(format_files.mult(tmp_path, ids="none"))
    assert [segment.id for segment in corpus.read()][:4] == ["train_0[0]", "train_1[0]", "train_2[0]", "valid_0[0]"]
    assert "There are no segment ids: every segment counts as a video of its own" in corpus.notes[0]


def test_mmsa_lengths_that_were_counted_on_the_wrong_side_are_noted(tmp_path):
    corpus = open_corpus(format_files.mmsa(tmp_path, aligned=False))
    lengths = {s.id: {name: len(array) for name, array in s.features.items()} for s in corpus.read()}
    for segment in truth():
        expected = {name: len(array) for name, array in segment.raw.items()} | {"text": len(segment.words) + 2}
        assert lengths[segment.id] == expected
    # All audio is shorter than its 11 steps: each stored length is the 1 that the wrong side gives, wrong but for e[0].
    assert [note for note in corpus.notes if "stored lengths of audio" in note] == [
        f"{split}: {count} of {size} stored lengths of audio differ from the real ones (its padding: left), "
        f"which are used."
        for split, count, size in (("train", 3, 3), ("valid", 2, 2), ("test", 1, 2))
    ]
    assert corpus.aligned == {"text": False, "audio": False, "video": False}


def test_mmsa_labels(tmp_path):
    path = format_files.mmsa(tmp_path, unimodal=True)
    for label, name, value in ((None, "sentiment", -3.0), ("T", "T", 0.5), ("regression_labels_V", "V", 1.5)):
        corpus = open_corpus(path, label=label)
        assert corpus.label == LabelScale(name, -3.0, 3.0, 0.0)
        assert next(corpus.read()).label == value
    with pytest.raises(ValueError, match=r"no such label column. Expected one of \['sentiment', 'T', 'A', 'V'\]"):
        open_corpus(path, label="X")


@pytest.mark.parametrize(("size", "high"), [(60, 1.0), (20, 3.0)])
def test_sims_has_labels_from_minus_1_to_1(tmp_path, size, high):
    parts = _part(size, id=[f"v$_${k}" for k in range(1, size + 1)], regression_labels=np.linspace(-1, 1, size))
    corpus = open_corpus(dump(tmp_path / "x.pkl", {"train": parts}))
    assert corpus.label == LabelScale("sentiment", -high, high, 0.0)


def test_parts_that_are_not_used_are_named(tmp_path):
    parts = _part(align=np.zeros(2), id=["v[0]", "v[1]"])
    corpus = open_corpus(dump(tmp_path / "x.pkl", {"train": parts, "config": {"a": 1}}))
    assert corpus.notes[0] == "Parts of the file that are not used: config, align."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": _part(), "dev": _part(), "valid": _part()}, "keys ['dev', 'train', 'valid'], of which some are one"),
        ({"train": _part(), "test": []}, "keys ['test', 'train'], of which some"),
        ({"train": _part(vision=np.ones(3))}, "train/vision float64(3,)"),
        ({"train": _part(vision=np.ones((2, 3, 0)))}, "train/vision float64(2, 3, 0)"),
        ({"train": _part(vision=np.full((2, 3, 1), "a"))}, "train/vision <U1(2, 3, 1)"),
        ({"train": _part(vision=["a", "b"])}, "train/vision with a row of str that is not all numbers"),
        ({"train": _part(vision=[["1_0"], ["2"]])}, "train/vision with a row of list that is not all numbers"),
        ({"train": _part(labels=["1_0", "2"])}, "train/labels as list that is not all numbers"),
        ({"train": _part(labels=np.ones(2) * 1j)}, "train/labels as ndarray that is not all numbers"),
        ({"train": _part(vision=7)}, "train/vision as int"),
        ({"train": _part(facet=np.ones((2, 3)), vision=np.ones((2, 3)))}, "train with two parts for video"),
        ({"train": _part(), "test": {"labels": np.ones(2)}}, "test with ['labels']"),
        ({"train": _part(text_bert=np.zeros((2, 3, 4)))}, "train/text_bert (2, 3, 4) beside text (2, 3, 4)"),
        ({"train": _part(regression_labels=np.zeros(3))}, "train/regression_labels (3,) beside 2 segments"),
    ],
)
def test_other_layouts_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match="The pickle is not laid out as MulT's") as caught:
        open_corpus(dump(tmp_path / "x.pkl", content))
    assert message in str(caught.value)
    assert "x.pkl" in str(caught.value)


def test_content_of_another_kind_is_named(tmp_path):
    with pytest.raises(ValueError, match=re.escape("Received: a dict with keys ['a']")):
        open_split_pickle(dump(tmp_path / "x.pkl", {"a": 1}))
    with pytest.raises(ValueError, match="Received: a list"):
        open_split_pickle(dump(tmp_path / "x.pkl", [1]))


def test_what_is_left_of_the_labels_and_the_transcripts_is_noted(tmp_path):
    path = format_files.mmsa(tmp_path / "source")
    content = pickle.loads(path.read_bytes())
    for parts in content.values():
        parts["labels"] = parts["regression_labels"]
    notes = open_corpus(dump(path, content, 4)).notes
    assert notes[0] == "Parts of the file that are not used: annotations, classification_labels, labels."
    assert "raw_text gives no words: the steps of the features are not its words." in notes
    unaligned = open_corpus(format_files.mmsa_unaligned(tmp_path / "unaligned"))
    assert Noted.TRANSCRIPTS_NOT_ALIGNED not in [note.what for note in unaligned.noted]
