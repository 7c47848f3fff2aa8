import os
import pickle
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.csd.roles import role_of
from mmtrans.sources.format import OWN_OPTIONS, Format, SourceOptions
from mmtrans.sources.listing import find_hdf5_files
from mmtrans.sources.open import FORMATS, open_corpus, recognise
from mmtrans.sources.untrusted.unpickle import load_pickle
from tests.sources.csd_files import words_of, write_csd
from tests.sources.format_files import WRITERS
from tfrecords.schema import LabelScale

WORDS = {"v": (words_of("a", "b"), [[0, 1], [1, 2]])}


def test_a_nested_sequence_is_found_by_its_signature(tmp_path):
    path = write_csd(tmp_path / "deep" / "down" / "words.hdf5", "words", WORDS)
    write_csd(tmp_path / ".cache" / "words.csd", "words", WORDS)
    (tmp_path / "readme.txt").write_text("text")
    assert find_hdf5_files(tmp_path) == [path]
    assert recognise(tmp_path)[0].name == recognise(path)[0].name == "csd"
    corpus = open_corpus(tmp_path)
    assert corpus.format == "csd"
    assert [segment.tokens for segment in corpus.read()] == [("a", "b")]


def test_a_truncated_sequence_is_reported_and_not_overlooked(tmp_path):
    (tmp_path / "words.csd").write_bytes(b"")
    with pytest.raises(ValueError, match=r"The HDF5 file cannot be read: it is an empty file\."):
        open_corpus(tmp_path)


@pytest.mark.parametrize("name", ["train.pkl", "dev.pickle", "test.p"])
def test_pickles_are_misa(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps([]))
    assert recognise(tmp_path)[0].name == "misa"
    assert recognise(tmp_path / name)[0].name == "misa"


def test_a_pickle_is_told_by_its_content(tmp_path):
    (tmp_path / "mosi").write_bytes(pickle.dumps({}))
    assert recognise(tmp_path / "mosi")[0].name == "misa"


def test_a_mixed_folder_needs_a_choice(tmp_path):
    write_csd(tmp_path / "words.csd", "words", WORDS)
    (tmp_path / "train.pkl").write_bytes(pickle.dumps([]))
    with pytest.raises(ValueError, match="Choose with --format csd or --format misa"):
        open_corpus(tmp_path)
    assert open_corpus(tmp_path, format="csd").format == "csd"


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        ([], "an empty folder"),
        (["a.txt"], "a folder with a.txt."),
        ("abcdefg", "a folder with a, b, c, d, e and 2 more."),
    ],
)
def test_an_unknown_folder_says_what_was_seen_and_what_is_needed(tmp_path, names, seen):
    for name in names:
        (tmp_path / name).write_text("text")
    with pytest.raises(ValueError, match="The source has no known format") as caught:
        open_corpus(tmp_path)
    assert seen in str(caught.value)
    assert "csd needs a .csd file" in str(caught.value)
    assert "misa a pickle file" in str(caught.value)


def test_an_unknown_file_says_how_it_starts(tmp_path):
    (tmp_path / "a.txt").write_text("hello\nworld")
    with pytest.raises(ValueError, match=re.escape(r"a file that starts with b'hello\nwo'")):
        open_corpus(tmp_path / "a.txt")


def test_a_missing_path_an_unknown_format_and_options_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no source at .*none\. Expected a corpus file or folder"):
        open_corpus(tmp_path / "none")
    with pytest.raises(ValueError, match=r"Unknown source format\..*Received: format='hdf'"):
        open_corpus(tmp_path, format="hdf")
    (tmp_path / "train.pkl").write_bytes(pickle.dumps([]))
    with pytest.raises(ValueError, match="The misa format has no label times"):
        open_corpus(tmp_path, label_shift=0.3)


@pytest.mark.parametrize(
    ("case", "options", "sentence"),
    [
        ("mult", {"compat": "sdk"}, "The mult format is not what the official SDK joins. Expected no --compat."),
        ("mult", {"window": 0.1}, "The mult format has no times of frames. Expected no --window."),
        (
            "misa",
            {"label_shift": 2.0},
            "The misa format has no label times. Expected no --label-shift. Received: label_shift=2",
        ),
        (
            "neutral",
            {"label": "mood", "label_shift": 0.3},
            "The neutral format has one label and has no label times. Expected no --label and no --label-shift. "
            "Received: label='mood', label_shift=0.3",
        ),
    ],
)
def test_an_option_that_a_format_does_not_take_is_refused(tmp_path, case, options, sentence):
    path = WRITERS[case][1](tmp_path / "source")
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        open_corpus(path, **options)
    assert str(caught.value).endswith(f"({path}). Leave {'it' if len(options) == 1 else 'them'} out.")


def test_formats_take_options_that_there_are():
    assert set(OWN_OPTIONS) <= {field.name for field in fields(SourceOptions)}
    assert {name for format in FORMATS for name in format.takes} == set(OWN_OPTIONS)


def test_the_docs_have_a_row_for_every_format():
    text = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
    assert [format.name for format in FORMATS if f"| `{format.name}` | " not in text] == []


@pytest.mark.parametrize("case", [case for case, (format, _) in WRITERS.items() if format not in ("mfn", "neutral")])
def test_no_pickle_is_read_twice_to_be_recognised_and_opened(tmp_path, monkeypatch, case):
    path, loaded = WRITERS[case][1](tmp_path / "source"), []

    def load(path):
        loaded.append(path)
        return load_pickle(path)

    for module in ("untrusted.unpickle", "misa.samples", "padded.split_pickles"):
        monkeypatch.setattr(f"mmtrans.sources.{module}.load_pickle", load)
    open_corpus(path)
    assert len(loaded) == len(set(loaded)) > 0


def test_a_stated_range_holds_where_a_reader_tells_nothing_of_its_labels(tmp_path, monkeypatch):
    def open_bare(path, options, content):
        return Corpus("bare", [path], LabelScale("mood", 0.0, 1.0, 0.5), read=lambda: iter(()))

    bare = Format(name="bare", needs="anything", recognise=lambda seen: True, open=open_bare)
    monkeypatch.setattr("mmtrans.sources.open.FORMATS", (bare,))
    corpus = open_corpus(tmp_path, label_range=(0, 10, 4))
    assert corpus.label == corpus.labels.stated == LabelScale("mood", 0.0, 10.0, 4.0)


def test_pickles_are_opened_without_the_library_of_hdf5(tmp_path):
    path = WRITERS["mult"][1](tmp_path / "source")
    program = (
        "import sys\nfrom mmtrans.sources.open import open_corpus\n"
        f"print(sum(1 for _ in open_corpus({str(path)!r}).read()), 'h5py' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("7 False\n", "")


@pytest.mark.parametrize(
    ("root", "stem", "holds_text", "dim", "role"),
    [
        ("CMU_MOSI_ModifiedTimestampedWords", "x", True, 1, "words"),
        ("words", "CMU_MOSI_TimestampedWordVectors", False, 300, "text"),
        ("phones", "CMU_MOSI_TimestampedPhones", True, 1, "phones"),
        ("glove_vectors", "x", False, 300, "text"),
        ("COAVAREP", "CMU_MOSI_COVAREP", False, 74, "audio"),
        ("OpenSMILE", "x", False, 384, "audio"),
        ("FACET 4.1", "x", False, 47, "video"),
        ("x", "CMU_MOSI_VisualFacet_4.1", False, 40, "video"),
        ("OpenFace_2", "x", False, 713, "video"),
        ("Opinion Segment Labels", "x", False, 1, "labels"),
        ("All Labels", "CMU_MOSEI_Labels", False, 7, "labels"),
        ("CMU_MOSI_TimestampedWordVectors", "x", False, 200, "text"),
        ("x", "cmu_mosi_timestampedwordvectors", False, 200, "text"),
        ("FACET42", "x", False, 30, "video"),
        ("VisualOpenFace2", "x", False, 30, "video"),
        ("open_face", "x", False, 30, "video"),
        ("openSMILE_IS09", "x", False, 30, "audio"),
        ("word2vec", "x", False, 200, "text"),
        ("CMU_MOSEI_LabelsSentiment", "x", False, 1, "labels"),
        ("x", "y", False, 300, "text"),
        ("x", "y", False, 43, "audio"),
        ("x", "y", False, 35, "video"),
        ("x", "y", False, 1, None),
    ],
)
def test_the_published_sequences_have_their_roles(root, stem, holds_text, dim, role):
    assert role_of(root, stem, holds_text=holds_text, dim=dim) == role


@pytest.mark.parametrize("name", ["surface", "Texture 2", "invoice_totals", "television", "phonetics", "Opinionated"])
def test_a_role_is_a_whole_word_of_a_name(name):
    assert role_of(name, name, holds_text=False, dim=9) is None
    assert role_of(name, "audio", holds_text=False, dim=9) == "audio"


def test_a_table_beside_csd_files_is_no_neutral_corpus(tmp_path):
    write_csd(tmp_path / "words.csd", "words", {"v": (np.array([[b"a"]]), np.array([[0.0, 1.0]]))})
    (tmp_path / "segments.csv").write_text("id,label\n", encoding="utf-8")
    assert recognise(tmp_path)[0].name == "csd"
    np.savez(tmp_path / "audio.npz", **{"v[0]": np.zeros((2, 3), np.float32)})
    with pytest.raises(ValueError, match=r"several formats \(csd and neutral\)"):
        recognise(tmp_path)
