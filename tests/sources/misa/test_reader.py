"""MISA and MAG pickles, written small with everything that real ones do."""

import pickle

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.folds import assign_folds
from mmtrans.sources.labels import ANY_LABEL
from mmtrans.sources.misa.reader import open_misa
from mmtrans.sources.open import open_corpus
from mmtrans.sources.untrusted.unpickle import load_pickle
from tests.real_data import MOSI_TEXT, MOSI_TRIMODAL, needs
from tfrecords.manifest import DroppedSegment
from tfrecords.schema import LabelScale

RNG = np.random.default_rng(0)


def _sample(name, words, label=1.5, *, actual=True, visual_dim=3, acoustic_dim=4):
    steps = len(words)
    visual = RNG.normal(size=(steps, visual_dim)).astype(np.float32)
    acoustic = RNG.normal(size=(steps, acoustic_dim))
    ids = np.arange(steps, dtype=np.int64)
    features = (ids, visual, acoustic, list(words)) if actual else (ids, visual, acoustic)
    return (features, np.array([[label]], np.float32), name)


def _dump(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("good 1 2\nfilm 3 4\nunused 9 9\n")
    return path


def test_a_folder_of_three_folds(tmp_path, glove):
    folder = tmp_path / "misa"
    folder.mkdir()
    train = [_sample("a_-1[1]", ["Good", "FILM", "zzz"]), _sample("b[0]", ["film"], -3.0), _sample("a_-1[0]", ["good"])]
    _dump(folder / "train.pkl", train)
    _dump(folder / "dev.pkl", [_sample("c[0]", ["good", "good"])])
    _dump(folder / "mosi_test.pickle", [_sample("d[4]", ["film"])])
    corpus = open_misa(folder, glove=glove)
    assert corpus.format == "misa"
    assert corpus.label == LabelScale("sentiment", -3.0, 3.0, 0.0)
    assert [file.name for file in corpus.files] == ["dev.pkl", "mosi_test.pickle", "train.pkl"]
    assert corpus.folds == {"valid": ["c"], "test": ["d"], "train": ["a_-1", "b"]}
    assert corpus.video_ids == ["c", "d", "a_-1", "b"]
    assert corpus.aligned == {"audio": True, "video": True, "text": True}
    assert corpus.notes == ["1 of 8 words (12.50%) have no vector in glove.txt and are zeros."]

    segments = list(corpus.read())
    # One video after the other, though the file mixes them.
    assert [segment.id for segment in segments] == ["c[0]", "d[4]", "a_-1[1]", "a_-1[0]", "b[0]"]
    first = segments[2]
    assert (first.video_id, first.label, first.split, first.tokens) == ("a_-1", 1.5, None, ("good", "film", "zzz"))
    np.testing.assert_array_equal(first.features["text"], np.array([[1, 2], [3, 4], [0, 0]], np.float32))
    np.testing.assert_array_equal(first.features["video"], train[0][0][1])
    np.testing.assert_array_equal(first.features["audio"], train[0][0][2].astype(np.float32))
    assert segments[4].label == -3.0
    assert corpus.cleaning == {"text: words without a vector set to 0": 1}
    assert corpus.dropped == []


@pytest.mark.parametrize("suffix", [".p", ".PKL"])
def test_a_folder_of_other_suffixes(tmp_path, suffix):
    _dump(tmp_path / f"train{suffix}", [_sample("a[0]", ["good"])])
    _dump(tmp_path / f"test{suffix}", [_sample("b[0]", ["film"])])
    assert open_corpus(tmp_path, format="misa").folds == {"train": ["a"], "test": ["b"]}
    if suffix == ".p":
        assert open_corpus(tmp_path).format == "misa"


@pytest.mark.parametrize("keys", [("train", "dev", "test"), (b"train", b"valid", b"test")])
def test_one_file_with_a_dict_of_folds(tmp_path, keys):
    content = {key: [_sample(f"{letter}[0]", ["good"])] for key, letter in zip(keys, "abc", strict=True)}
    corpus = open_corpus(_dump(tmp_path / "mosi.pkl", content))
    assert corpus.folds == {"train": ["a"], "valid": ["b"], "test": ["c"]}
    assert [set(segment.features) for segment in corpus.read()] == [{"audio", "video"}] * 3
    manifest = convert(corpus, tmp_path / "records")
    remedy = "Give word vectors with --glove FILE."
    assert f"The words have no vectors, so that there is no text modality. {remedy}" in manifest.notes


def test_a_list_whose_name_says_no_fold(tmp_path):
    corpus = open_misa(_dump(tmp_path / "mosi.pkl", [_sample("a[0]", ["good"])]))
    assert corpus.folds is None
    assert corpus.video_ids == ["a"]
    assert "The name of no file says its fold: folds are taken from elsewhere." in corpus.notes


def test_words_as_strings_vectors_or_ids(tmp_path, glove):
    strings = (["Good", b"FILM"], np.ones((2, 3)), np.ones((2, 4)))
    path = _dump(tmp_path / "train.pkl", [(strings, [[0.5]], "a[0]")])
    (segment,) = open_misa(path, glove=glove).read()
    assert segment.tokens == ("good", "film")
    np.testing.assert_array_equal(segment.features["text"], [[1, 2], [3, 4]])

    vectors = (np.full((2, 5), 7.0), np.ones((2, 3)), np.ones((2, 4)), ["good", "film"])
    path = _dump(tmp_path / "train.pkl", [(vectors, [[0.5]], "a[0]")])
    (segment,) = open_misa(path).read()
    np.testing.assert_array_equal(segment.features["text"], np.full((2, 5), 7.0))
    (segment,) = open_misa(path, glove=glove).read()
    np.testing.assert_array_equal(segment.features["text"], [[1, 2], [3, 4]])

    corpus = open_misa(_dump(tmp_path / "train.pkl", [_sample("a[0]", ["good"], actual=False)]), glove=glove)
    (segment,) = corpus.read()
    assert (segment.tokens, set(segment.features)) == ((), {"audio", "video"})
    assert corpus.notes == ["The files hold no actual words: --glove was not used."]


def test_cells_and_labels_that_are_not_finite(tmp_path):
    sample = _sample("a[0]", ["x", "y"], np.nan)
    sample[0][1][0, 2] = np.nan
    sample[0][2][1, 0], sample[0][2][0, 1], sample[0][2][0, 3] = -np.inf, np.inf, 1e300
    expected = {"video": np.array(sample[0][1]), "audio": np.array(sample[0][2])}
    expected["video"][0, 2] = 0
    expected["audio"][1, 0] = expected["audio"][0, 1] = expected["audio"][0, 3] = 0
    corpus = open_misa(_dump(tmp_path / "train.pkl", [sample]))
    for _ in range(2):  # a second reading counts afresh
        (segment,) = corpus.read()
        for name, array in expected.items():
            np.testing.assert_array_equal(segment.features[name], array.astype(np.float32))
        assert segment.label is None
        assert corpus.cleaning == {
            "video: frames with NaN": 1,
            "audio: frames with infinity": 2,
            "labels: not finite, kept without a label": 1,
        }


def test_one_of_several_label_numbers_or_none(tmp_path):
    features = _sample("a[0]", ["x"])[0]
    rows = [(features, [np.arange(7) / 2], "a[0]"), (features, None, "a[1]"), (features, -1, "a[2]")]
    path = _dump(tmp_path / "train.pkl", rows)
    corpus = open_misa(path)
    assert [segment.label for segment in corpus.read()] == [0, None, -1]
    assert [note for note in corpus.notes if "taken for MOSEI's: column 0 is read as sentiment" in note]
    corpus = open_misa(path, label="2")
    assert [segment.label for segment in corpus.read()] == [1, None, None]
    assert corpus.label == LabelScale("sad", 0, 2, 1)
    assert [segment.label for segment in open_misa(path, label=ANY_LABEL).read()] == [0, None, -1]
    rows[0] = (features, [[0.5, 1.5]], "a[0]")
    with pytest.raises(ValueError, match=r"There is no such label column\. Expected one of \['0', '1'\]"):
        open_misa(_dump(path, rows))


def test_what_is_left_out_says_why(tmp_path):
    short, actual = _sample("a[1]", ["x", "y"]), _sample("a[2]", ["x"])
    short = ((short[0][0], short[0][1][:1], *short[0][2:]), *short[1:])
    actual = ((*actual[0][:3], ["x", "y"]), *actual[1:])
    rows = [
        _sample("a[0]", ["x"]),
        short,
        actual,
        _sample("a[3]", []),
        _sample("a[4]", ["x"], visual_dim=5),
        _sample("b[0]", ["x"]),
    ]
    folder = tmp_path / "misa"
    folder.mkdir()
    _dump(folder / "dev.pkl", rows)
    _dump(folder / "train.pkl", [_sample("b[0]", ["y"]), _sample("a[1]", ["y"])])
    corpus = open_misa(folder)
    for _ in range(2):
        assert [(segment.id, segment.tokens) for segment in corpus.read()] == [
            ("a[0]", ("x",)),
            ("a[4]", ("x",)),
            ("b[0]", ("x",)),
            ("a[1]", ("y",)),
        ]
        assert corpus.cleaning == {"video: segments with other columns than most, taken as without it": 1}
        assert corpus.dropped == [
            DroppedSegment("a[1]", "lengths disagree: audio 2, video 1, words 2, actual words 2"),
            DroppedSegment("a[2]", "lengths disagree: audio 1, video 1, words 1, actual words 2"),
            DroppedSegment("a[3]", "no steps"),
            DroppedSegment("b[0]", "duplicate id, the first is kept"),
        ]


@pytest.mark.parametrize("nothing", [None, float("nan"), [], np.zeros((0, 3)), np.zeros(0)])
def test_a_segment_keeps_the_modalities_that_it_has(tmp_path, nothing):
    features = (np.full((2, 5), 7.0), np.ones((2, 3)), np.ones((2, 4)), ["x", "y"])
    rows = [(features, 1.0, "a[0]")]
    rows += [((*features[:k], nothing, *features[k + 1 :]), 1.0, f"b[{k}]") for k in range(4)]
    rows.append(((nothing, nothing, nothing, ["x", "y"]), 1.0, "c[0]"))
    corpus = open_misa(_dump(tmp_path / "train.pkl", rows))
    assert [(segment.id, set(segment.features), segment.tokens) for segment in corpus.read()] == [
        ("a[0]", {"text", "audio", "video"}, ("x", "y")),
        ("b[0]", {"audio", "video"}, ("x", "y")),
        ("b[1]", {"text", "audio"}, ("x", "y")),
        ("b[2]", {"text", "video"}, ("x", "y")),
        ("b[3]", {"text", "audio", "video"}, ()),
    ]
    assert corpus.cleaning == {f"{name}: segments without it": 2 for name in ("text", "audio", "video")}
    assert corpus.dropped == [DroppedSegment("c[0]", "no modality is other than zero, with the columns of most")]


def test_one_based_ids(tmp_path):
    corpus = open_misa(_dump(tmp_path / "train.pkl", [_sample("v_x_3", ["x"]), _sample("v_x_1", ["x"])]))
    assert [segment.id for segment in corpus.read()] == ["v_x[2]", "v_x[0]"]


def _changed(**parts):
    (words, visual, acoustic, actual), label, name = _sample("a[0]", ["x"])
    whole = {
        "words": words,
        "visual": visual,
        "acoustic": acoustic,
        "actual": actual,
        "label": label,
        "name": name,
    } | parts
    features = tuple(whole[key] for key in ("words", "visual", "acoustic", "actual"))
    return [(features, whole["label"], whole["name"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "not laid out like MISA's.*int for fold train"),
        ({"words": []}, "not laid out like MISA's.*key 'words'"),
        ({1: []}, "not laid out like MISA's.*key 1"),
        ({"dev": {}}, "not laid out like MISA's.*dict for fold dev"),
        ([{"text": 1}], "not laid out like MISA's.*a dict as sample 0"),
        ([(1, 2, "a[0]")], "not laid out like MISA's.*a tuple as sample 0"),
        ([((1, 2), 2, "a[0]")], "not laid out like MISA's.*2 features in sample 0"),
        (_changed(words=4), r"not laid out like MISA's.*words as int in a\[0\]"),
        (_changed(actual="good"), r"not laid out like MISA's.*actual words as str in a\[0\]"),
        (_changed(visual=np.ones(3)), r"no matrix. Expected video of shape.*shape=\(3,\) \(.*train.pkl, a\[0\]\)"),
        (_changed(acoustic=[[10**400]]), "values of audio are no numbers"),
        (_changed(acoustic=[["x"]]), r"values of audio are no numbers.*audio=list \(.*train.pkl, a\[0\]\)"),
        (_changed(acoustic=[["1_0"]]), "values of audio are no numbers"),
        (_changed(label="1_0"), "values of label are no numbers.*label=str"),
        (_changed(label=1j), "values of label are no numbers"),
        (_changed(label={}), "values of label are no numbers.*label=dict"),
        ([], "There are no samples.*train.pkl"),
    ],
)
def test_files_of_another_layout(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        open_misa(_dump(tmp_path / "train.pkl", content))
    assert "\n" not in str(caught.value)


def test_no_pickles_and_no_useful_glove(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no pickle at .*none"):
        open_misa(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="There are no pickles"):
        open_misa(tmp_path)
    glove = tmp_path / "glove.txt"
    glove.write_text("unused 9 9\n")
    path = _dump(tmp_path / "train.pkl", [_sample("a[0]", ["good", "film"])])
    with pytest.raises(ValueError, match=r"have none of the words.*glove.txt for 2 words like \['film', 'good'\]"):
        open_misa(path, glove=glove)


def test_a_pickle_that_asks_for_more_than_data(tmp_path):
    (tmp_path / "train.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match=r"Received: os\.system"):
        open_misa(tmp_path)


@needs(MOSI_TRIMODAL, MOSI_TEXT)
def test_real_files():
    corpus = open_misa(MOSI_TRIMODAL, glove=MOSI_TEXT / "glove.mosi.300d.txt")
    segments = {segment.id: segment for segment in corpus.read()}
    folds, origin = assign_folds(corpus.video_ids, own=corpus.folds)
    assert origin == "the source's own folds"
    assert {split: sum(s.video_id in videos for s in segments.values()) for split, videos in folds.items()} == {
        "train": 134,
        "valid": 55,
        "test": 40,
    }
    assert not corpus.dropped
    # Against the files themselves, sample by sample.
    for file in sorted(MOSI_TRIMODAL.glob("*.pkl")):
        for (_, visual, acoustic, words), label, name in load_pickle(file):
            segment = segments[str(name)]
            np.testing.assert_array_equal(segment.features["video"], visual)
            np.testing.assert_array_equal(segment.features["audio"], acoustic)
            assert segment.features["text"].shape == (len(words), 300)
            assert segment.tokens == tuple(words)
            assert segment.label == label.item()
