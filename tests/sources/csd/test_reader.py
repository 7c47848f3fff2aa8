import csv
import os
import re
from collections import Counter
from functools import partial

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.sources.csd.reader import open_csd as open_csd_anywhere
from mmtrans.sources.untrusted import hdf5
from tests.real_data import MOSI_TEXT, needs
from tests.sources.csd_files import words_of, write_csd
from tfrecords.schema import LabelScale

ONES = [[0, 1], [1, 2], [2, 3], [3, 4]]
VIDEO = "_dI--eQ6qVU"

#: Most tests read in this process, which is quicker; test_parent.py of untrusted/ shows that it makes no difference.
open_csd = partial(open_csd_anywhere, isolated=False)


def write_corpus(folder, *, labels=((1.5,), (-0.4,)), spans=((0, 2), (1.5, 4)), dirty=False):
    """Four words (one a pause) of one video, three streams, two overlapping segments."""
    words = words_of("Good", "sp", "film", "ever")
    write_csd(folder / "words" / "CMU_MOSI_TimestampedWords.csd", "words", {VIDEO: (words, ONES)}, bare_metadata=True)
    write_csd(folder / "labels.csd", "Opinion Segment Labels", {VIDEO: (np.float32(labels), np.float32(spans))})
    audio = np.arange(8 * 74, dtype=np.float32).reshape(8, 74)
    if dirty:
        audio[0, 0], audio[1, 1] = np.nan, -np.inf
    halves = np.stack([np.arange(8), np.arange(1, 9)], 1) / 2
    write_csd(folder / "high" / "audio.csd", "COAVAREP", {VIDEO: (audio, halves)}, gzip=True)
    video = {VIDEO: (np.ones((2, 47)), [[0, 1], [2, 3]])}
    names = {"dimension names": [f"c{i}" for i in range(47)]}
    write_csd(folder / "high" / "facet.csd", "FACET 4.1", video, metadata=names)
    return folder


def read(folder, **options):
    corpus = open_csd(folder, **options)
    return corpus, {segment.id: segment for segment in corpus.read()}


def test_words_audio_video_and_labels_become_segments(tmp_path):
    corpus, segments = read(write_corpus(tmp_path, dirty=True))
    first, second = segments[f"{VIDEO}[0]"], segments[f"{VIDEO}[1]"]
    assert (first.tokens, second.tokens) == (("Good",), ("film", "ever"))
    assert (first.label, second.label) == (1.5, pytest.approx(-0.4))
    assert first.video_id == VIDEO
    assert first.split is None
    columns = np.arange(74)
    expected = (columns + columns + 74) / 2
    expected[:2] = 74, 1  # the NaN and the -inf are left out of their own cells' means
    np.testing.assert_allclose(first.features["audio"], expected[None])
    np.testing.assert_allclose(second.features["audio"][:, 0], [4.5 * 74, 6.5 * 74])
    np.testing.assert_array_equal(second.features["video"][:, 0], [1, 0])
    assert corpus.label == LabelScale("sentiment", -3.0, 3.0, 0.0)
    assert corpus.video_ids == (VIDEO,)
    assert corpus.aligned == {"audio": True, "video": True}
    assert list(corpus.feature_names) == ["video"]
    assert corpus.feature_names["video"][46] == "c46"
    assert corpus.cleaning == {
        "words: pauses (sp) removed": 1,
        "audio: frames with NaN": 1,
        "audio: frames with infinity": 1,
        "audio: words with cleaned frames": 1,
        "video: words without frames set to 0": 1,
    }
    assert sorted(path.name for path in corpus.files) == [
        "CMU_MOSI_TimestampedWords.csd",
        "audio.csd",
        "facet.csd",
        "labels.csd",
    ]
    assert corpus.folds is None


def test_reading_twice_gives_the_same_account(tmp_path):
    corpus, segments = read(write_corpus(tmp_path, spans=((0, 2), (1, 1))))
    before = (dict(corpus.cleaning), list(corpus.dropped))
    assert [segment.id for segment in corpus.read()] == list(segments)
    assert (dict(corpus.cleaning), list(corpus.dropped)) == before
    assert len(before[1]) == 1


def test_what_gives_no_segment_is_dropped_with_its_reason(tmp_path):
    spans = [[2, 2], [1, 2], [9, 10], [0, 1]]
    write_corpus(tmp_path, labels=[[1], [2], [3], [np.nan]], spans=spans)
    entries = {VIDEO: (np.float32([[1], [2], [3], [np.nan]]), spans), "absent": (np.ones((2, 1)), [[0, 1], [1, 2]])}
    write_csd(tmp_path / "labels.csd", "Labels", entries)
    corpus, segments = read(tmp_path)
    assert list(segments) == [f"{VIDEO}[3]"]
    assert segments[f"{VIDEO}[3]"].label is None
    assert {drop.id: drop.reason for drop in corpus.dropped} == {
        f"{VIDEO}[0]": "its interval has no length",
        f"{VIDEO}[1]": "no word lies in its interval",
        f"{VIDEO}[2]": "no word lies in its interval",
        "absent[0]": "CMU_MOSI_TimestampedWords.csd has no rows for its video",
        "absent[1]": "CMU_MOSI_TimestampedWords.csd has no rows for its video",
    }
    assert corpus.video_ids == (VIDEO,)
    assert corpus.cleaning["labels: not finite, kept without a label"] == 1


def test_label_rows_keep_their_number_when_out_of_order_and_shift_moves_them(tmp_path):
    folder = write_corpus(tmp_path, spans=((3, 4), (0, 1)))
    assert {id: s.tokens for id, s in read(folder)[1].items()} == {f"{VIDEO}[0]": ("ever",), f"{VIDEO}[1]": ("Good",)}
    shifted = read(folder, label_shift=-1.0)[1]
    assert {id: s.tokens for id, s in shifted.items()} == {f"{VIDEO}[0]": ("film",)}


def test_glove_gives_the_words_their_vectors_and_counts_the_unknown(tmp_path):
    folder = write_corpus(tmp_path / "corpus")
    write_csd(folder / "vectors.csd", "glove_vectors", {VIDEO: (np.ones((4, 300)), ONES)})
    glove = tmp_path / "glove.txt"
    glove.write_text("good 1 2\nfilm 3 4\n")
    corpus, segments = read(folder, glove=glove)
    np.testing.assert_array_equal(segments[f"{VIDEO}[0]"].features["text"], [[1, 2]])
    np.testing.assert_array_equal(segments[f"{VIDEO}[1]"].features["text"], [[3, 4], [0, 0]])
    assert corpus.cleaning["text: words without a vector set to 0"] == 1
    assert corpus.cleaning["text: different words without a vector"] == 1
    assert glove in corpus.files
    assert any("vectors.csd is left aside" in note for note in corpus.notes)
    glove.write_text("other 1 2\n")
    with pytest.raises(ValueError, match="The word vectors have none of the words"):
        open_csd(folder, glove=glove)


def test_text_vectors_are_aligned_to_the_words(tmp_path):
    folder = write_corpus(tmp_path)
    write_csd(folder / "v.csd", "glove_vectors", {VIDEO: (np.arange(4.0)[:, None] * np.ones(300), ONES)})
    corpus, segments = read(folder)
    np.testing.assert_array_equal(segments[f"{VIDEO}[1]"].features["text"][:, 9], [2, 3])
    assert corpus.aligned == {"text": True, "audio": True, "video": True}


def test_without_words_the_text_vectors_are_the_steps(tmp_path):
    folder = write_corpus(tmp_path)
    (folder / "words" / "CMU_MOSI_TimestampedWords.csd").unlink()
    vectors = np.arange(4.0)[:, None] * np.ones(300)
    vectors[2, 0] = np.inf
    write_csd(folder / "v.csd", "glove_vectors", {VIDEO: (vectors, ONES)})
    corpus, segments = read(folder, glove=folder / "none.txt")
    second = segments[f"{VIDEO}[1]"]
    np.testing.assert_array_equal(second.features["text"][:, :2], [[1, 1], [0, 2], [3, 3]])
    assert second.tokens == ()
    assert second.features["audio"].shape == (3, 74)
    assert corpus.cleaning["text: frames with infinity"] == 1
    assert any("is not used: there is no sequence of words" in note for note in corpus.notes)


def test_without_words_and_vectors_each_modality_keeps_its_own_frames(tmp_path):
    folder = write_corpus(tmp_path, dirty=True)
    (folder / "words" / "CMU_MOSI_TimestampedWords.csd").unlink()
    corpus, segments = read(folder)
    assert corpus.aligned == {"audio": False, "video": False}
    shapes = {id: {m: a.shape for m, a in s.features.items()} for id, s in segments.items()}
    assert shapes == {
        f"{VIDEO}[0]": {"audio": (4, 74), "video": (1, 47)},
        f"{VIDEO}[1]": {"audio": (5, 74), "video": (1, 47)},
    }
    assert segments[f"{VIDEO}[0]"].features["audio"][0, 0] == 0
    assert corpus.cleaning == {"audio: frames with NaN": 1, "audio: frames with infinity": 1}


def test_windows_of_time_are_the_steps_of_audio_and_video(tmp_path):
    corpus, segments = read(write_corpus(tmp_path, dirty=True), window=0.5)
    assert corpus.aligned == {"audio": False, "video": False}
    first, second = segments[f"{VIDEO}[0]"], segments[f"{VIDEO}[1]"]
    assert (first.tokens, second.tokens) == (("Good",), ("film", "ever"))
    # Frames of half a second, each of which is a window; the second segment's words begin at 2 s.
    np.testing.assert_array_equal(first.features["audio"][:, 5], [5, 74 + 5])
    np.testing.assert_array_equal(second.features["audio"][:, 0], [4 * 74, 5 * 74, 6 * 74, 7 * 74])
    np.testing.assert_array_equal(second.features["video"][:, 0], [1, 1, 0, 0])
    assert corpus.cleaning["video: windows without frames set to 0"] == 2
    assert corpus.cleaning["audio: windows with cleaned frames"] == 2


def test_text_stays_at_its_words_beside_windows(tmp_path):
    folder = write_corpus(tmp_path)
    write_csd(folder / "v.csd", "glove_vectors", {VIDEO: (np.arange(4.0)[:, None] * np.ones(300), ONES)})
    corpus, segments = read(folder, window=0.4)
    assert corpus.aligned == {"text": True, "audio": False, "video": False}
    shapes = {name: array.shape for name, array in segments[f"{VIDEO}[1]"].features.items()}
    assert shapes == {"text": (2, 300), "audio": (5, 74), "video": (5, 47)}


def test_windows_need_words_and_their_own_alignment(tmp_path):
    folder = write_corpus(tmp_path)
    with pytest.raises(ValueError, match=r"Windows are cut of the time.*Received: window=0.5, compat='sdk'"):
        open_csd(folder, window=0.5, compat="sdk")
    times = [[0, 1], [1, 2], [2, 1e9], [3, 4]]
    words = {VIDEO: (words_of("Good", "sp", "film", "ever"), times)}
    write_csd(folder / "words" / "CMU_MOSI_TimestampedWords.csd", "words", words)
    with pytest.raises(ValueError, match=r"its words last longer than 1000000 windows of 0\.5 s"):
        read(folder, window=0.5)
    (folder / "words" / "CMU_MOSI_TimestampedWords.csd").unlink()
    with pytest.raises(ValueError, match=r"Windows are cut of the time.*with \['audio', 'labels', 'video'\]"):
        open_csd(folder, window=0.5)


def test_without_labels_a_video_is_one_segment_and_indexed_entries_are_their_own(tmp_path):
    entries = {
        "a": (words_of("x", "y"), ONES[:2]),
        "b[10]": (words_of("z"), ONES[:1]),
        "b[2]": (words_of("w"), ONES[:1]),
    }
    write_csd(tmp_path / "words.csd", "words", entries)
    write_csd(
        tmp_path / "audio.csd", "covarep", {"a": (np.ones((1, 74)), ONES[:1]), "b[2]": (np.ones((1, 74)), ONES[:1])}
    )
    corpus, segments = read(tmp_path)
    assert {id: (s.tokens, s.video_id) for id, s in segments.items()} == {
        "a[0]": (("x", "y"), "a"),
        "b[2]": (("w",), "b"),
        "b[10]": (("z",), "b"),
    }
    assert [list(s.features) for s in segments.values()] == [["audio"], ["audio"], []]
    assert corpus.cleaning["audio: segments without it"] == 1
    assert corpus.video_ids == ("a", "b")


def test_labels_per_segment_are_read_against_whole_videos_and_whole_labels_against_segments(tmp_path):
    labels = {"a[4]": (np.ones((1, 1)), [[1, 2]])}
    write_csd(tmp_path / "one" / "labels.csd", "labels", labels)
    write_csd(tmp_path / "one" / "words.csd", "words", {"a": (words_of("x", "y"), ONES[:2])})
    assert {id: s.tokens for id, s in read(tmp_path / "one")[1].items()} == {"a[4]": ("y",)}
    write_csd(tmp_path / "two" / "labels.csd", "labels", {"a": (np.ones((1, 1)), [[0, 2]])})
    parts = {"a[0]": (words_of("x"), ONES[:1]), "a[1]": (words_of("y"), ONES[1:2])}
    write_csd(tmp_path / "two" / "words.csd", "words", parts)
    assert {id: s.tokens for id, s in read(tmp_path / "two")[1].items()} == {"a[0]": ("x", "y")}
    write_csd(tmp_path / "one" / "labels.csd", "labels", {"a[4]": (np.ones((2, 1)), ONES[:2])})
    with pytest.raises(ValueError, match="an entry of one segment has 2 rows of labels"):
        open_csd(tmp_path / "one")


def test_labels_out_of_range_give_the_observed_scale_and_mosei_its_first_column(tmp_path):
    folder = write_corpus(tmp_path, labels=[[1], [5]])
    assert open_csd(folder).label == LabelScale("sentiment", 1.0, 5.0, 3.0)
    seven = np.arange(14, dtype=np.float32).reshape(2, 7) / 7
    folder = write_corpus(tmp_path, labels=seven)
    corpus, segments = read(folder)
    assert corpus.label.name == "sentiment"
    assert segments[f"{VIDEO}[1]"].label == 1.0
    corpus, segments = read(folder, label="happy")
    assert corpus.label.name == "happy"
    assert segments[f"{VIDEO}[1]"].label == pytest.approx(8 / 7)


def test_columns_that_are_numbered_have_no_names(tmp_path):
    folder = write_corpus(tmp_path)
    spans = {VIDEO: (np.float32([[-1], [2]]), ONES[:2])}
    write_csd(folder / "labels.csd", "labels", spans, metadata={"dimension names": ["0"]})
    numbers = {"dimension names": [str(column) for column in range(47)]}
    write_csd(folder / "high" / "facet.csd", "FACET 4.1", {VIDEO: (np.ones((2, 47)), ONES[:2])}, metadata=numbers)
    corpus = open_csd(folder)
    assert corpus.label == LabelScale("sentiment", -3.0, 3.0, 0.0)
    assert corpus.feature_names == {}


def test_folds_and_vlen_words_and_deeper_features_are_read(tmp_path):
    folder = write_corpus(tmp_path)
    (folder / "folds.json").write_text(f'{{"train": [], "dev": ["{VIDEO}"]}}')
    words = np.array([["é"], ["sp"], ["film"], ["ever"]], dtype=object)
    with h5py.File(folder / "words" / "CMU_MOSI_TimestampedWords.csd", "r+") as file:
        entry = file["words/data"][VIDEO]
        del entry["features"]
        entry.create_dataset("features", data=words, dtype=h5py.string_dtype())
    write_csd(folder / "high" / "facet.csd", "FACET 4.1", {VIDEO: (np.ones((2, 5, 3)), [[0, 1], [2, 3]])})
    corpus, segments = read(folder)
    assert corpus.folds == {"train": (), "valid": (VIDEO,)}
    assert folder / "folds.json" in corpus.files
    assert segments[f"{VIDEO}[0]"].tokens == ("é",)
    assert segments[f"{VIDEO}[0]"].features["video"].shape == (1, 15)


def test_phones_and_unknown_sequences_and_unlabelled_videos_are_noted(tmp_path):
    folder = write_corpus(tmp_path)
    words = {VIDEO: (words_of("Good", "sp", "film", "ever"), ONES), "more": (words_of("x"), ONES[:1])}
    write_csd(folder / "words" / "CMU_MOSI_TimestampedWords.csd", "words", words)
    write_csd(folder / "TimestampedPhones.csd", "phones", {VIDEO: (words_of("g"), ONES[:1])})
    write_csd(folder / "odd.csd", "odd", {VIDEO: (np.ones((1, 5)), ONES[:1])})
    corpus, segments = read(folder)
    assert len(segments) == 2
    phones, odd, unlabelled = sorted(corpus.notes, key=lambda note: ("Phones.csd" not in note, "odd.csd" not in note))
    assert phones.endswith("TimestampedPhones.csd is left aside: phones are not used.")
    assert odd.endswith("odd.csd is left aside: nothing tells what its 5 columns are.")
    assert unlabelled == "Videos without labels, which are left out: 1 (more)."


def refused(folder, message, **options):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        list(open_csd(folder, **options).read())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_two_sequences_for_one_role_are_refused(tmp_path):
    folder = write_corpus(tmp_path)
    write_csd(folder / "openface.csd", "OpenFace_2", {VIDEO: (np.ones((1, 713)), ONES[:1])})
    message = refused(folder, "Two computational sequences hold video. Expected one per role.")
    assert "facet.csd" in message
    assert "openface.csd" in message


def test_missing_and_lone_label_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no source at"):
        open_csd(tmp_path / "none")
    write_csd(tmp_path / "labels.csd", "labels", {VIDEO: (np.ones((1, 1)), ONES[:1])})
    refused(tmp_path, "There is no computational sequence of words, text vectors, audio or video.")


@pytest.mark.parametrize("options", [{"label": "x"}, {"label_shift": 1.0}])
def test_label_options_without_labels_are_refused(tmp_path, options):
    write_csd(tmp_path / "words.csd", "words", {VIDEO: (words_of("x"), ONES[:1])})
    refused(tmp_path, "The label options fit no label file.", **options)


def test_an_infinite_shift_and_an_unknown_label_are_refused(tmp_path):
    folder = write_corpus(tmp_path)
    refused(folder, "The label options fit no label file.", label_shift=float("nan"))
    refused(folder, "There is no such label column.", label="joy")


@pytest.mark.parametrize(
    ("features", "intervals", "message"),
    [
        (np.ones((2, 74)), np.ones((3, 2)), "the shapes do not fit together"),
        (np.ones(2), np.ones((2, 2)), "the shapes do not fit together"),
        (np.ones((2, 74)), np.ones((2, 3)), "the shapes do not fit together"),
        (np.ones((2, 74)), np.ones(2), "the shapes do not fit together"),
        (np.ones((2, 74), complex), np.ones((2, 2)), "the values are neither numbers nor strings"),
        (np.ones((2, 74)), words_of("a", "b").repeat(2, axis=1), "the values are neither numbers nor strings"),
    ],
)
def test_entries_that_are_not_well_formed_are_refused(tmp_path, features, intervals, message):
    entries = {"A": (np.ones((1, 74)), ONES[:1]), VIDEO: (features, intervals)}
    write_csd(tmp_path / "audio.csd", "COVAREP", entries)
    assert VIDEO in refused(tmp_path, message)


def test_files_that_are_no_sequences_are_refused(tmp_path):
    path = write_csd(tmp_path / "audio.csd", "COVAREP", {VIDEO: (np.ones((900, 74)), np.ones((900, 2)))})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, "not a whole HDF5 file. Download it again: it may be truncated.")
    path.write_bytes(b"<html>")
    refused(tmp_path, "The HDF5 file cannot be read: it is a web page (HTML).")
    with h5py.File(path, "w") as file:
        file["data"] = np.ones(3)
    refused(tmp_path, "there is no group 'data'")
    with h5py.File(path, "w"):
        pass
    refused(tmp_path, "there is no group '<root>'")
    write_csd(path, "COVAREP", {VIDEO: (np.ones((0, 74)), np.ones((0, 2)))})
    refused(tmp_path, "no entry has rows")


def test_links_and_data_elsewhere_and_huge_headers_are_refused(tmp_path):
    path = tmp_path / "audio.csd"

    def with_features(add):
        write_csd(path, "COVAREP", {VIDEO: (np.ones((2, 74)), ONES[:2])})
        with h5py.File(path, "r+") as file:
            entry = file["COVAREP/data"][VIDEO]
            del entry["features"]
            add(entry)

    secret = tmp_path / "other.bin"
    secret.write_bytes(bytes(2 * 74 * 4))
    with_features(lambda entry: entry.__setitem__("features", h5py.ExternalLink("other.h5", "/x")))
    refused(tmp_path, "links are not followed")
    with_features(lambda entry: entry.__setitem__("features", h5py.SoftLink("/COVAREP/data")))
    refused(tmp_path, "links are not followed")
    elsewhere = {"shape": (2, 74), "dtype": "f4", "external": [(str(secret), 0, h5py.h5f.UNLIMITED)]}
    with_features(lambda entry: entry.create_dataset("features", **elsewhere))
    refused(tmp_path, "data in other files is not read")
    huge = {"shape": (1 << 30, 74), "dtype": "f4", "chunks": (1, 74)}
    with_features(lambda entry: entry.create_dataset("features", **huge))
    refused(tmp_path, f"bytes are more than {hdf5.MAX_DATASET_BYTES}. Expected a computational sequence")


def test_metadata_that_cannot_be_read_is_left_aside(tmp_path):
    for names in ("not json", ["too", "few"], 3):
        path = write_csd(
            tmp_path / "audio.csd",
            "COVAREP",
            {VIDEO: (np.ones((2, 74)), ONES[:2])},
            metadata={"dimension names": names},
            bare_metadata=names == "not json",
        )
        assert open_csd(path).feature_names == {}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_file_gives_segments_or_one_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("csd")
    path = write_csd(folder / "audio.csd", "COVAREP", {VIDEO: (np.ones((4, 74)), ONES)})
    content = bytearray(path.read_bytes())
    # The bytes after the signature are mostly headers; the rest of the file is features, where damage is no damage.
    for place in data.draw(st.lists(st.integers(8, 6000), min_size=1, max_size=6)):
        content[place % len(content)] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert outcome_of(folder) is None


def outcome_of(folder):
    """What is wrong with the way in which a folder is read or refused, or `None`."""
    try:
        segments = list(open_csd(folder).read())
    except ValueError as error:
        return None if re.fullmatch(r"[^\n]*computational sequence[^\n]*", str(error)) else str(error)
    return None if all(np.isfinite(s.features["audio"]).all() for s in segments) else segments


@needs(MOSI_TEXT)
def test_real_mosi_words_and_labels_agree_with_the_transcripts():
    corpus, segments = read(MOSI_TEXT, glove=MOSI_TEXT / "glove.mosi.300d.txt")
    assert len(segments) == 1512
    assert [(drop.id, drop.reason) for drop in corpus.dropped] == [("2WGyTLYerpo[43]", "its interval has no length")]
    with (MOSI_TEXT / "segments.csv").open(encoding="utf-8") as file:
        rows = {f"{row['video_id']}[{int(row['clip_id']) - 1}]": row for row in csv.DictReader(file)}
    scores = []
    for id, segment in segments.items():
        assert segment.label == pytest.approx(float(rows[id]["label"]))
        ours, theirs = Counter(map(str.lower, segment.tokens)), Counter(rows[id]["text"].lower().split())
        scores.append(2 * (ours & theirs).total() / (ours.total() + theirs.total()))
    assert np.mean(scores) > 0.985
    assert len(corpus.video_ids) == 62
    assert segments["03bSnISJMiM[0]"].features["text"].shape[1] == 300


def test_no_file_stays_open(tmp_path):
    folder = write_corpus(tmp_path)
    read(folder)
    for path in folder.rglob("*.csd"):
        with h5py.File(path, "r+"):
            os.utime(path)


@pytest.mark.parametrize("odd", [np.ones((1, 3)), words_of("a")], ids=["fewer columns", "text"])
def test_a_video_of_other_columns_lacks_the_modality(tmp_path, odd):
    words = {name: (words_of("a"), ONES[:1]) for name in "pqr"}
    write_csd(tmp_path / "words.csd", "words", words)
    write_csd(
        tmp_path / "audio.csd", "COVAREP", {name: (odd if name == "p" else np.ones((1, 5)), ONES[:1]) for name in "pqr"}
    )
    corpus, segments = read(tmp_path)
    assert [list(segments[f"{name}[0]"].features) for name in "pqr"] == [[], ["audio"], ["audio"]]
    assert corpus.cleaning == {
        "audio: entries with other columns than most, left out": 1,
        "audio: segments without it": 1,
    }


def test_labels_of_other_columns_are_left_out_with_a_note(tmp_path):
    write_csd(tmp_path / "words.csd", "words", {name: (words_of("a"), ONES[:1]) for name in "pqr"})
    labels = {name: (np.ones((1, 2 if name == "p" else 1)), ONES[:1]) for name in "pqr"}
    write_csd(tmp_path / "labels.csd", "labels", labels)
    corpus, segments = read(tmp_path)
    assert list(segments) == ["q[0]", "r[0]"]
    assert any("entries with other columns than most, left out: 1 (p" in note for note in corpus.notes)


def test_times_that_float64_rounds_and_ids_that_are_no_text_are_refused(tmp_path):
    late = np.array([[0, 1], [2**53, 2**53 + 2]])
    write_csd(tmp_path / "late" / "words.csd", "words", {VIDEO: (words_of("a", "b"), late)})
    with pytest.raises(ValueError, match=r"times beyond 9007199254740992 are no seconds.*intervals"):
        list(open_csd(tmp_path / "late").read())
    write_csd(tmp_path / "odd" / "words.csd", "words", {VIDEO: (words_of("a", "b"), ONES[:2])})
    with h5py.File(tmp_path / "odd" / "words.csd", "r+") as file:
        file["words/data"].create_group(b"v\xff")
    with pytest.raises(ValueError, match=r"an id is not UTF-8, b'v.xff'.*Name the entries in UTF-8"):
        open_csd(tmp_path / "odd")
