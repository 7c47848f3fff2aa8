"""Every format of the field, holding one corpus, gives the same segments."""

import pickle
import shutil

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.sources.open import FORMATS, open_corpus, recognise
from tests.sources.format_files import WRITERS, truth

#: Without ids in the files, segments are known by split and row.
NAMELESS = ("mfn", "d1", "lmf")


@pytest.mark.parametrize("case", WRITERS)
def test_each_format_gives_the_one_corpus(tmp_path, case):
    format, write = WRITERS[case]
    path = write(tmp_path / "source")
    assert recognise(path)[0].name == format
    corpus = open_corpus(path)
    assert corpus.format == format
    assert (corpus.label.low, corpus.label.high, corpus.label.neutral) == (-3.0, 3.0, 0.0)
    for _ in range(2):  # a second reading gives the same
        segments = {segment.id: segment for segment in corpus.read()}
        assert len(segments) == 7
        assert corpus.dropped == []
        for segment, expected in zip(_in_order(segments, case), truth(), strict=True):
            _compare(segment, expected, case)
    fold_of = {video: split for split, videos in corpus.folds.items() for video in videos}
    for segment, expected in zip(_in_order(segments, case), truth(), strict=True):
        assert fold_of[segment.video_id] == expected.split
    assert set(corpus.video_ids) == set(fold_of)


def _in_order(segments, case):
    if case not in NAMELESS:
        return [segments[expected.id] for expected in truth()]
    counts: dict[str, int] = {}
    keys = []
    for expected in truth():
        row = counts.get(expected.split, 0)
        counts[expected.split] = row + 1
        keys.append(f"{expected.split}_{row}[0]")
    return [segments[key] for key in keys]


def _compare(segment, expected, case):
    clean = expected.clean
    if case == "lmf":
        clean = {name: array if name == "text" else array.mean(axis=0)[None] for name, array in clean.items()}
    assert set(segment.features) == set(clean)
    for name, array in clean.items():
        found = segment.features[name]
        if case == "mmsa" or (case == "mmsa_unaligned" and name == "text"):
            # [CLS] and [SEP]: vectors in the text, zeros in audio and video.
            assert (found[[0, -1]] == (5 if name == "text" else 0)).all()
            found = found[1:-1]
        np.testing.assert_array_equal(found, array, err_msg=f"{case} {expected.id} {name}")
    label = None if np.isnan(expected.label) else expected.label
    assert segment.label == (label if label is None else pytest.approx(label, abs=1e-6))
    has_words = case in ("neutral", "neutral_per_segment", "misa", "mmsa_unaligned")
    assert segment.tokens == (expected.words if has_words else ())


@pytest.mark.parametrize("case", WRITERS)
def test_the_account_of_what_was_treated(tmp_path, case):
    corpus = open_corpus(WRITERS[case][1](tmp_path / "source"))
    list(corpus.read())
    counts = dict(corpus.cleaning)
    lacks_video = "without it" if case.startswith("neutral") else "where it is all zero, taken as without it"
    assert counts.pop(f"video: segments {lacks_video}") == 1
    assert counts.pop("labels: not finite, kept without a label", 0) == (0 if case.startswith("neutral") else 1)
    bad = {"audio: frames with NaN": 1, "audio: frames with infinity": 1, "video: frames with infinity": 1}
    assert counts == ({} if case == "lmf" else bad)


@pytest.mark.parametrize("case", ["mult_noalign", "mmsa", "mfn", "lmf", "neutral"])
def test_each_format_becomes_records(tmp_path, case):
    manifest = convert(open_corpus(WRITERS[case][1](tmp_path / "source")), tmp_path / "records")
    # MMSA's steps of [CLS] and [SEP] are zeros in every column.
    constant = "audio: columns that are constant in train: 1 of 5 (4)."
    assert (constant in manifest.notes) == (case != "mmsa")
    assert {split: part.segments for split, part in manifest.splits.items()} == {"train": 3, "valid": 2, "test": 2}
    assert {name: info.dim for name, info in manifest.modalities.items()} == {"text": 300, "audio": 5, "video": 20}
    aligned = {name for name, info in manifest.modalities.items() if info.aligned}
    assert aligned == ({"text"} if case in ("mult_noalign", "lmf") else {"text", "audio", "video"})


def test_every_format_has_a_writer():
    assert {format for format, _ in WRITERS.values()} | {"csd"} == {format.name for format in FORMATS}


def test_a_format_given_by_name_overrides(tmp_path):
    path = WRITERS["mult"][1](tmp_path / "source")
    assert open_corpus(path, format="multibench").format == "multibench"
    assert open_corpus(path.parent).format == "mult"
    with pytest.raises(ValueError, match="not laid out like MISA's"):
        open_corpus(path, format="misa")


def test_options_that_do_not_fit(tmp_path):
    path = WRITERS["mult"][1](tmp_path / "source")
    with pytest.raises(ValueError, match=r"The mult format has no label times.*Received: label_shift=0.3"):
        open_corpus(path, label_shift=0.3)
    with pytest.raises(ValueError, match=r"The neutral format has one label.*Received: label='x'"):
        open_corpus(WRITERS["neutral"][1](tmp_path / "neutral"), label="x")
    assert "g.txt is not used: the mult format has its own vectors." in open_corpus(path, glove="g.txt").notes


def test_unknown_content_is_described(tmp_path):
    path = tmp_path / "odd.pkl"
    path.write_bytes(pickle.dumps({"train": {"pixels": np.zeros((2, 3))}, "meta": [1], "x": "ab"}))
    with pytest.raises(ValueError, match="The pickle has no known format") as caught:
        open_corpus(path)
    message = str(caught.value)
    for part in ("'train': {'pixels': float64(2, 3)}", "'meta': list of 1", "'x': str of 2"):
        assert part in message
    for format in FORMATS:
        assert format.name in message
    path.write_bytes(pickle.dumps(np.zeros((2, 3))))
    with pytest.raises(ValueError, match=r"odd\.pkl, float64\(2, 3\)"):
        open_corpus(path)


def test_a_folder_of_several_pickles_needs_a_choice(tmp_path):
    path = WRITERS["mult"][1](tmp_path / "source")
    shutil.copy(path, path.with_name("other.pkl"))
    with pytest.raises(ValueError, match=r"must hold one pickle.*\['mosi_data.pkl', 'other.pkl'\]"):
        open_corpus(path.parent)
    (path.parent / "segments.csv").write_text("id\nv[0]\n")
    (path.parent / "segments").mkdir()
    with pytest.raises(ValueError, match=r"several formats \(neutral and a pickle format\).*--format neutral"):
        open_corpus(path.parent)
