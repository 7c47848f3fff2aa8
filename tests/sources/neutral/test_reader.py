"""Our plain format: the table, the arrays, the settings, and every refusal."""

import json
import zipfile

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.sources.labels import ANY_LABEL
from mmtrans.sources.open import open_corpus
from mmtrans.sources.untrusted.npz import array_shape, open_npz, read_array
from tfrecords.manifest import DroppedSegment
from tfrecords.schema import LabelScale


def _array(steps, dim=2, value=1.0):
    return np.full((steps, dim), value, np.float32)


def _folder(path, table, arrays=None, settings=None):
    path.mkdir(parents=True, exist_ok=True)
    (path / "segments.csv").write_text(table, encoding="utf-8")
    for name, of_segments in (arrays or {}).items():
        np.savez(path / f"{name}.npz", **of_segments)
    if settings is not None:
        (path / "corpus.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return path


def test_a_corpus_of_ones_own_without_labels_splits_or_words(tmp_path):
    arrays = {"audio": {"my-clip[0]": _array(3), "x_y[4]": _array(5)}, "video": {"x_y[4]": _array(7, 3)}}
    path = _folder(tmp_path / "s", "video_id,index\nmy-clip,0\nx_y,4\n", arrays)
    corpus = open_corpus(path)
    assert (corpus.format, corpus.folds, corpus.notes) == ("neutral", None, [])
    assert corpus.aligned == {"audio": False, "video": False}
    segments = list(corpus.read())
    assert [(s.id, s.video_id, s.label, s.tokens) for s in segments] == [
        ("my-clip[0]", "my-clip", None, ()),
        ("x_y[4]", "x_y", None, ()),
    ]
    assert corpus.cleaning == {"video: segments without it": 1}
    assert [file.name for file in corpus.files] == ["audio.npz", "segments.csv", "video.npz"]
    assert convert(corpus, tmp_path / "records").modalities["audio"].dim == 2
    assert [s.id for s in open_corpus(path / "segments.csv").read()] == ["my-clip[0]", "x_y[4]"]


def test_arrays_may_bear_the_tables_spelling(tmp_path):
    path = _folder(tmp_path / "s", "id,label\nv_3,1\nv_1,-3.0\n", {"text": {"v_3": _array(2), "v[0]": _array(4)}})
    assert [(s.id, s.label, len(s.features["text"])) for s in open_corpus(path).read()] == [
        ("v[2]", 1.0, 2),
        ("v[0]", -3.0, 4),
    ]


@pytest.mark.parametrize("column", ["id", "video_id,index"])
def test_one_array_of_two_segments_is_refused(tmp_path, column):
    ids = ("v[0]", "v[1]") if column == "id" else ("v,0", "v,1")
    splits = [(split, id) for split in ("train", "test") for id in ids]
    table = f"{column},split,label\n" + "".join(f"{id},{split},{k}\n" for k, (split, id) in enumerate(splits))
    shared = {"v[0]": _array(2), "v[1]": _array(1)}
    refused = r"The name of an array fits several segments.*'v\[0\]' for train_v\[0\] and test_v\[0\] .*"
    with pytest.raises(ValueError, match=refused + "text.npz"):
        open_corpus(_folder(tmp_path / "s", table, {"text": shared}))
    path = _folder(tmp_path / "t", table)
    (path / "segments").mkdir()
    np.savez(path / "segments" / "v[0].npz", text=_array(1))
    with pytest.raises(ValueError, match=refused + "segments"):
        open_corpus(path)
    (path / "segments" / "v[0].npz").unlink()
    names = [f"{split}_v[{k}]" for split in ("train", "test") for k in range(2)]
    for steps, name in enumerate(names, 1):
        np.savez(path / "segments" / f"{name}.npz", text=_array(steps))
    corpus = open_corpus(path)
    assert [(s.id, s.label, len(s.features["text"])) for s in corpus.read()] == [
        (name, float(k), k + 1) for k, name in enumerate(names)
    ]
    assert corpus.folds == {"train": ["train_v"], "test": ["test_v"]}


def test_words_make_tokens_and_tell_what_is_aligned(tmp_path):
    table = "\ufeffID, words ,other\nv[0],it was good,1\nv[1],bad,2\nw[0],so so,3\n"
    arrays = {
        "text": {"v[0]": _array(3), "v[1]": _array(1), "w[0]": _array(2)},
        "audio": {"v[0]": _array(9), "v[1]": _array(1)},
    }
    corpus = open_corpus(_folder(tmp_path / "s", table, arrays))
    assert corpus.aligned == {"text": True, "audio": False}
    assert corpus.notes == [
        "Columns of segments.csv that are not used: other.",
        "audio is unaligned: 1 segments have other numbers of steps than words.",
    ]
    assert [segment.tokens for segment in corpus.read()] == [("it", "was", "good"), ("bad",), ("so", "so")]


def test_a_file_of_vectors_gives_words_their_text(tmp_path):
    table = "id,words\nv[0],it was Good\nv[1],bad\n"
    arrays = {"text": {"v[0]": _array(3), "v[1]": _array(1)}, "audio": {"v[0]": _array(3), "v[1]": _array(1)}}
    folder = _folder(tmp_path / "s", table, arrays)
    glove = tmp_path / "glove.txt"
    glove.write_text("it 1 0\ngood 2 3\nbad 4 5\n")
    corpus = open_corpus(folder, glove=glove)
    first, second = corpus.read()
    np.testing.assert_array_equal(first.features["text"], [[1, 0], [0, 0], [2, 3]])
    np.testing.assert_array_equal(second.features["text"], [[4, 5]])
    assert first.features["audio"].shape == (3, 2)
    assert f"The text of text.npz is left aside: the words get their vectors from {glove}." in corpus.notes
    # Where words are scored, none needs to be known.
    glove.write_text("other 1 0\n")
    with pytest.raises(ValueError, match="have none of the words"):
        open_corpus(folder, glove=glove)
    assert not next(open_corpus(folder, glove=glove, label=ANY_LABEL).read()).features["text"].any()
    with pytest.raises(ValueError, match=r"There are no words for the vectors\..*Received: glove="):
        open_corpus(_folder(tmp_path / "mute", "id,label\nv[0],1\n", {"audio": {"v[0]": _array(3)}}), glove=glove)


def test_a_segment_of_silence_keeps_what_has_steps_of_its_own(tmp_path):
    table = "id,words\nv[0],it was good\nv[1],sp\n"
    audio = {"v[0]": _array(9), "v[1]": _array(4)}
    corpus = open_corpus(_folder(tmp_path / "s", table, {"audio": audio}))
    assert [(segment.id, segment.tokens, len(segment.features["audio"])) for segment in corpus.read()] == [
        ("v[0]", ("it", "was", "good"), 9),
        ("v[1]", (), 4),
    ]
    arrays = {"text": {"v[0]": _array(3), "v[1]": _array(1)}, "audio": audio}
    corpus = open_corpus(_folder(tmp_path / "t", table, arrays))
    assert [segment.id for segment in corpus.read()] == ["v[0]"]
    assert corpus.dropped == [DroppedSegment("v[1]", "no word of it is spoken")]


def test_settings(tmp_path):
    settings = {
        "label": {"name": "joy", "low": 0, "high": 10, "neutral": 4},
        "columns": {"text": ["a", "b"]},
        "aligned": {"text": True},
    }
    table = "id,label,words\nv[0],9,a b\nv[1],,a\n"
    corpus = open_corpus(_folder(tmp_path / "s", table, {"text": {"v[0]": _array(2), "v[1]": _array(5)}}, settings))
    assert corpus.label == LabelScale("joy", 0.0, 10.0, 4.0)
    assert corpus.feature_names == {"text": ("a", "b")}
    assert [segment.id for segment in corpus.read()] == ["v[0]"]
    assert corpus.dropped == [DroppedSegment("v[1]", "lengths disagree: text 5, words 1")]
    assert "corpus.json" in [file.name for file in corpus.files]


def test_cleaning_and_drops(tmp_path):
    bad = np.array([[np.nan, 1], [np.inf, -np.inf], [1e300, 2]])
    arrays = {
        "audio": {"v[0]": bad, "v[1]": _array(2, value=0), "w[0]": _array(1), "zz[0]": _array(1)},
        "video": {"v[0]": _array(3), "w[0]": np.zeros((0, 2), np.float32)},
    }
    table = "id,split,label\nv[0],train,nan\nv[1],train,1\nw[0],test,2\nv[0],train,0\n"
    corpus = open_corpus(_folder(tmp_path / "s", table, arrays))
    for _ in range(2):
        segments = list(corpus.read())
        assert [(segment.id, segment.label) for segment in segments] == [("v[0]", None), ("w[0]", 2.0)]
        np.testing.assert_array_equal(segments[0].features["audio"], [[0, 1], [0, 0], [0, 2]])
        assert corpus.dropped == [
            DroppedSegment("v[1]", "no features that are not zero"),
            DroppedSegment("v[0]", "duplicate id, the first is kept"),
        ]
        assert corpus.cleaning == {
            "audio: frames with NaN": 1,
            "audio: frames with infinity": 2,
            "audio: segments where it is all zero, taken as without it": 1,
            "video: segments without it": 2,
            "labels: not finite, kept without a label": 1,
        }
    assert corpus.folds == {"train": ["v"], "test": ["w"]}
    assert corpus.notes == ["1 arrays belong to no segment of the table and are not used."]


@pytest.mark.parametrize(
    ("splits", "note"),
    [(("train", ""), "Not every segment has a split"), (("train", "test"), "1 of 1 videos have segments in several")],
)
def test_splits_that_make_no_folds(tmp_path, splits, note):
    table = "id,split\n" + "".join(f"v[{k}],{split}\n" for k, split in enumerate(splits))
    corpus = open_corpus(_folder(tmp_path / "s", table, {"text": {"v[0]": _array(1), "v[1]": _array(1)}}))
    assert corpus.folds is None
    assert corpus.notes[0].startswith(note)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "it is an empty file"),
        ("id\n", r"columns=\['id'\], 0 lines"),
        ("name\nx\n", r"columns=\['name'\], 1 lines"),
        ("id,id\nv[0],v[0]\n", r"columns=\['id', 'id'\]"),
        ("id,words\nv[0],a,b\n", r"more cells than columns .*segments.csv, line 2"),
        ("id,label\nv[0],x\n", r"label='x' .*line 2"),
        ("id,split\nv[0],later\n", r"split='later' .*line 2"),
        ("video_id,index\nv,-1\n", r"video_id='v', index='-1'"),
        ("video_id,index\n,1\n", r"video_id='', index='1'"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        open_corpus(_folder(tmp_path / "s", table, {"text": {"v[0]": _array(1)}}))


def test_a_table_that_is_no_utf8(tmp_path):
    path = _folder(tmp_path / "s", "id\nv[0]\n")
    (path / "segments.csv").write_bytes(b"id\n\xff\xfe\n")
    with pytest.raises(
        ValueError, match=r"The table of segments cannot be read: it is not UTF-8.*byte 0xff .*segments.csv, line 2"
    ):
        open_corpus(path)


def test_settings_call_modalities_by_any_of_their_names(tmp_path):
    settings = {
        "columns": {"acoustic": ["a", "b"], "visual_features": ["c", "d"]},
        "aligned": {"Language": False, "COVAREP": True},
    }
    arrays = {name: {"v[0]": _array(2), "v[1]": _array(1)} for name in ("text", "audio", "video")}
    corpus = open_corpus(_folder(tmp_path / "s", "id,words\nv[0],a b\nv[1],a\n", arrays, settings))
    assert corpus.feature_names == {"audio": ("a", "b"), "video": ("c", "d")}
    assert corpus.aligned == {"text": False, "audio": True, "video": True}


def test_settings_with_half_characters_can_be_stored(tmp_path):
    settings = {
        "label": {"name": "x\ud800", "low": 0, "high": 1, "neutral": 0},
        "columns": {"text": ["a\udcff", "b"]},
    }
    corpus = open_corpus(_folder(tmp_path / "s", "id\nv[0]\n", {"text": {"v[0]": np.ones((1, 2))}}, settings))
    assert (corpus.label.name, corpus.feature_names["text"]) == ("x\\ud800", ("a\\udcff", "b"))


@pytest.mark.parametrize(
    "settings",
    [
        "{",
        "[]",
        {"extra": 1},
        {"aligned": {"text": 1}},
        {"columns": {"smell": []}},
        {"aligned": {"audio": True, "acoustic": False}},
        {"columns": {"text": [1]}},
        {"label": {"name": "x"}},
        {"label": {"name": "x", "low": 0, "high": "1", "neutral": 0}},
        {"label": {"name": "x", "low": 0, "high": 1, "neutral": 2}},
        '{"label": {"name": "x", "low": 0, "high": NaN, "neutral": 0}}',
        '{"label": {"name": "x", "low": 0, "high": 1e39, "neutral": 0}}',
        {"label": {"name": "x", "low": 0, "high": 10**400, "neutral": 0}},
        {"label": {"name": "x", "low": 2, "high": 1, "neutral": 1}},
    ],
)
def test_settings_that_cannot_be_read(tmp_path, settings):
    with pytest.raises(ValueError, match=r"The settings of the corpus cannot be read.*corpus\.json"):
        open_corpus(_folder(tmp_path / "s", "id\nv[0]\n", {"text": {"v[0]": _array(1)}}, settings))


def test_features_that_are_missing_twice_or_of_another_shape(tmp_path):
    with pytest.raises(ValueError, match=r"There are no features of the segments.*1 segments like v\[0\]"):
        open_corpus(_folder(tmp_path / "a", "id\nv[0]\n", {"text": {"w[0]": _array(1)}}))
    with pytest.raises(FileNotFoundError, match="There is no table of segments"):
        open_corpus(tmp_path, format="neutral")
    path = _folder(tmp_path / "b", "id\nv[0]\n", {"text": {"v[0]": _array(1)}})
    (path / "segments").mkdir()
    np.savez(path / "segments" / "v[0].npz", text=_array(1))
    with pytest.raises(ValueError, match=r"Two files hold one array.*text in .*text.npz and .*v\[0\].npz"):
        open_corpus(path)
    with pytest.raises(ValueError, match=r"A modality is no matrix.*shape=\(3,\) .*text.npz, v\[0\]"):
        open_corpus(_folder(tmp_path / "c", "id\nv[0]\n", {"text": {"v[0]": np.ones(3)}}))


def test_an_id_does_not_lead_out_of_the_folder(tmp_path):
    path = _folder(tmp_path / "s", "id\n../x[0]\n")
    (path / "segments").mkdir()
    np.savez(path / "x[0].npz", text=_array(1))
    with pytest.raises(ValueError, match="There are no features of the segments"):
        open_corpus(path)


@pytest.mark.parametrize("array", [np.array([["a"]]), np.array([[1j]]), np.array([[{}]], object)])
def test_arrays_that_are_no_numbers(tmp_path, array):
    with pytest.raises(ValueError, match=r"The \.npz archive cannot be read.*text\.npz, v\[0\]"):
        open_corpus(_folder(tmp_path / "s", "id\nv[0]\n", {"text": {"v[0]": array}}))


def test_a_header_that_announces_more_than_there_is(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**3)})
    with open_npz(path) as archive:
        with pytest.raises(ValueError, match="announces 8000000000000 bytes in a member of"):
            array_shape(archive, "a")
        with pytest.raises(ValueError, match=r"The \.npz archive cannot be read"):
            read_array(archive, "none")
    (tmp_path / "y.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"BadZipFile .*y\.npz, the archive"):
        open_npz(tmp_path / "y.npz")


def test_ids_keep_their_own_line_ends(tmp_path):
    path = _folder(tmp_path / "s", "id\n", {"text": {"a\rb": _array(1), "a\nb": _array(2)}})
    (path / "segments.csv").write_bytes(b'id\r\n"a\rb"\r\n"a\nb"\r\n')
    assert {s.id: len(s.features["text"]) for s in open_corpus(path).read()} == {"a\rb[0]": 1, "a\nb[0]": 2}
