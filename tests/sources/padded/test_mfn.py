"""What is special about the HDF5 arrays of MFN's family; that they agree is in test_formats_agree."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from mmtrans.sources.open import open_corpus
from mmtrans.sources.padded.mfn import open_mfn
from tests.sources import format_files
from tests.sources.csd.test_reader import write_corpus
from tests.sources.format_files import truth
from tfrecords.schema import LabelScale


def _write(path, array, name="data"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[name] = array
    return path


@pytest.mark.parametrize("side", ["left", "right"])
def test_either_side_of_padding(tmp_path, side):
    corpus = open_corpus(format_files.mfn(tmp_path / "mfn", side=side))
    for segment, expected in zip(corpus.read(), truth(), strict=True):
        for name, array in expected.clean.items():
            np.testing.assert_array_equal(segment.features[name], array)


def test_one_file_is_unlabelled(tmp_path):
    corpus = open_corpus(format_files.mfn(tmp_path) / "X_valid.h5")
    assert [segment.id for segment in corpus.read()] == ["valid_0[0]", "valid_1[0]"]
    assert {segment.label for segment in corpus.read()} == {None}


def test_a_split_may_lack_a_modality(tmp_path):
    corpus = open_corpus(format_files.d1(tmp_path, lacks=("audio_valid",)))
    by_split = {}
    for segment in corpus.read():
        by_split.setdefault(segment.id.partition("_")[0], []).append(set(segment.features))
    assert by_split["valid"] == [{"text", "video"}] * 2
    assert by_split["test"] == [{"text", "audio", "video"}] * 2
    assert corpus.cleaning["audio: segments without it"] == 2
    assert sum("padding is on different sides (text left, audio right" in note for note in corpus.notes) == 2


def test_labels_of_a_split_without_features_are_left_aside(tmp_path):
    corpus = open_corpus(format_files.d1(tmp_path, lacks=("audio_test", "video_test", "text_test_emb")))
    assert "y_test.h5 is left aside: test has labels and no features." in corpus.notes
    assert set(corpus.folds) == {"train", "valid"}


def test_a_label_column_by_index(tmp_path):
    path = format_files.d1(tmp_path, columns=3)
    corpus = open_corpus(path, label="2")
    assert next(corpus.read()).label == -3.0 + 2
    assert corpus.label == LabelScale("2", -1.0, 4.5, 1.75)  # the 5 is a test label
    with pytest.raises(ValueError, match=r"no such label column.*an index below 3.*label=None"):
        open_corpus(path)


def test_other_files_are_left_aside_and_noted(tmp_path):
    format_files.mfn(tmp_path)
    (tmp_path / "readme.txt").write_text("x")
    _write(tmp_path / "extra.h5", np.ones(3))
    notes = open_corpus(tmp_path).notes
    assert "extra.h5 is left aside: its name does not tell its part and split, as text_train_emb does." in notes
    assert not any("readme" in note for note in notes)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"X_train": np.ones((2, 3, 324))}, r"Expected 325 columns in X and nothing else.*\(2, 3, 324\)"),
        ({"X_train": np.ones((2, 3, 325)), "text_train": np.ones((2, 3, 4))}, r"nothing else.*'joint', 'text'"),
        ({"text_train": np.ones(3)}, r"Expected features \(segments, steps, dim\).*float64\(3,\)"),
        ({"text_train": np.array([b"a"])}, "Expected numbers"),
        ({"text_train": np.ones((2, 3, 4)), "y_train": np.ones((0, 1))}, r"Expected labels \(segments,\)"),
        ({"text_train": np.ones((2, 3, 4)), "y_train": np.ones(3)}, r"do not fit together.*'labels': 3"),
        (
            {"text_train": np.ones((2, 3, 4)), "text_train_emb": np.ones((2, 3, 4))},
            "Expected one file of text for train",
        ),
        ({"y_train": np.ones(2)}, "Expected X, text, audio or video files"),
    ],
)
def test_other_layouts_are_refused(tmp_path, files, message):
    for stem, array in files.items():
        _write(tmp_path / "s" / f"{stem}.h5", array)
    with pytest.raises(ValueError, match=message):
        open_corpus(tmp_path / "s")


def test_a_link_is_not_followed(tmp_path):
    _write(tmp_path / "elsewhere.hidden", np.ones((2, 3, 4)))
    with h5py.File(tmp_path / "text_train.h5", "w") as file:
        file["data"] = h5py.ExternalLink("elsewhere.hidden", "data")
    with pytest.raises(ValueError, match="links are not followed"):
        open_corpus(tmp_path, format="mfn")


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no source at"):
        open_mfn(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"There are no arrays. Expected X_train.h5"):
        open_mfn(tmp_path)


def test_an_unknown_hdf5_file_is_described(tmp_path):
    with pytest.raises(ValueError, match=r"The HDF5 file has no known format.*pixels float64\(2, 3\) at its root"):
        open_corpus(_write(tmp_path / "x.h5", np.ones((2, 3)), "pixels"))


@pytest.mark.parametrize("write", [format_files.mfn, write_corpus])
def test_hdf5_is_opened_in_child_processes_only(tmp_path, write):
    path = write(tmp_path / "source")
    code = """
import sys
import h5py
from mmtrans.sources.open import open_corpus
h5py.File = None
sys.exit(len(list(open_corpus(sys.argv[1]).read())) < 2)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_in_this_process_it_is_the_same(tmp_path):
    path = format_files.mfn(tmp_path)
    ours, theirs = (open_mfn(path, isolated=isolated) for isolated in (True, False))
    for name in ("format", "label", "aligned", "noted"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.folds == {split: tuple(videos) for split, videos in theirs.folds.items()}
    for one, other in zip(ours.read(), theirs.read(), strict=True):
        assert (one.id, one.label, list(one.features)) == (other.id, other.label, list(other.features))
        for name, array in other.features.items():
            np.testing.assert_array_equal(one.features[name], array)
    assert (ours.cleaning, ours.dropped) == (theirs.cleaning, theirs.dropped)
