import json
import os
import random
import shutil
import subprocess
import sys
import time
import weakref
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.conversion.convert import convert, parse_max_steps
from mmtrans.conversion.inspect import verify
from mmtrans.sources.account import Cleaned, DropReason, Noted, note
from mmtrans.sources.csd.reader import open_csd
from mmtrans.sources.labels import Labels
from tests.conversion.test_statistics import oracle
from tests.sources.csd_files import words_of, write_csd
from tests.tfrecords.segments import DIMS, assert_equal_segments, make_corpus, make_segment, make_segments
from tfrecords.manifest import DroppedSegment, Manifest, file_sha256
from tfrecords.reader import read_segments

SPLIT_OF = {"v0": "train", "v1": "train", "v2": "valid", "v3": "test"}


def read_all(directory):
    manifest = Manifest.load(directory)
    return {
        segment.id: segment
        for split, info in manifest.splits.items()
        for shard in info.shards
        for segment in read_segments(directory / shard.file, DIMS, split)
    }


def test_every_segment_is_in_its_fold(tmp_path):
    segments = make_segments(40)
    manifest = convert(make_corpus(segments), tmp_path / "records")
    assert manifest == Manifest.load(tmp_path / "records")
    found = read_all(tmp_path / "records")
    assert len(found) == 40
    for segment in segments:
        assert found[segment.id].split == SPLIT_OF[segment.video_id]
        assert_equal_segments(found[segment.id], segment)
    assert {s: (i.segments, i.videos) for s, i in manifest.splits.items()} == {
        "train": (20, 2),
        "valid": (10, 1),
        "test": (10, 1),
    }
    assert manifest.folds.videos == {"train": ("v0", "v1"), "valid": ("v2",), "test": ("v3",)}
    assert manifest.folds.origin


def test_the_files_folds_win_over_a_segments_own_split(tmp_path):
    segments = [replace(segment, split="test") for segment in make_segments(8)]
    convert(make_corpus(segments), tmp_path / "records")
    assert {s.video_id: s.split for s in read_all(tmp_path / "records").values()} == SPLIT_OF


def test_a_folds_file_wins(tmp_path):
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({"train": ["v3"], "valid": ["v2"], "test": ["v0", "v1"]}))
    manifest = convert(make_corpus(make_segments(8)), tmp_path / "records", folds_path=path)
    assert manifest.folds.videos["train"] == ("v3",)
    assert "folds.json" in manifest.folds.origin
    assert not any("no fold" in note for note in manifest.notes)


def test_videos_that_the_folds_do_not_name_are_left_out_with_the_reason(tmp_path):
    path = tmp_path / "folds.csv"
    path.write_text("split,video\ntrain,v3\ndev,v1\ntest,elsewhere\n")
    manifest = convert(make_corpus(make_segments(8)), tmp_path / "records", folds_path=path)
    assert {split: info.segments for split, info in manifest.splits.items()} == {"train": 2, "valid": 2}
    reason = "its video is in no fold"
    assert [(d.id, d.reason) for d in manifest.dropped] == [(f"{v}[{k}]", reason) for k in (0, 1) for v in ("v0", "v2")]
    assert "Videos in no fold (folds file folds.csv), which are left out: 2 (v0, v2)." in manifest.notes


def test_statistics_are_of_the_valid_steps_of_train(tmp_path):
    segments = make_segments(40)
    manifest = convert(make_corpus(segments), tmp_path / "records", max_steps={"aligned": 6})
    for name, info in manifest.modalities.items():
        mean, std = oracle([s.features[name][:6] for s in segments if SPLIT_OF[s.video_id] == "train"])
        np.testing.assert_allclose(info.mean, mean, rtol=1e-9)
        np.testing.assert_allclose(info.std, std, rtol=1e-9)


def test_statistics_are_null_where_train_lacks_the_modality(tmp_path):
    segments = [
        make_segment(i, 3, video=video, modalities=("text",) if video in ("v0", "v1") else ("text", "audio"))
        for i, video in enumerate(SPLIT_OF)
    ]
    manifest = convert(make_corpus(segments), tmp_path / "records")
    assert manifest.modalities["audio"].mean is None
    assert manifest.modalities["audio"].std is None
    assert manifest.modalities["text"].mean is not None


def test_truncation_keeps_the_first_steps_and_counts(tmp_path):
    segments = make_segments(40)
    for segment in segments[::3]:
        segment.features["audio"] = np.ones((30, 2), np.float32)
    corpus = make_corpus(segments, aligned={"audio": False})
    manifest = convert(corpus, tmp_path / "records", max_steps={"aligned": 6, "audio": 20})
    found = read_all(tmp_path / "records")
    for segment in segments:
        expected = {"text": segment.features["text"][:6], "audio": segment.features["audio"][:20]}
        assert_equal_segments(found[segment.id], replace(segment, features=expected, tokens=segment.tokens[:6]))
    assert manifest.truncated == {"aligned": sum(len(s.tokens) > 6 for s in segments), "audio": 14}
    assert manifest.max_steps == {"aligned": 6, "audio": 20}


def test_unaligned_streams_keep_all_by_default(tmp_path):
    segments = make_segments(4)
    segments[0].features["audio"] = np.ones((333, 2), np.float32)
    manifest = convert(make_corpus(segments, aligned={"audio": False}), tmp_path / "records")
    assert len(read_all(tmp_path / "records")["v0[0]"].features["audio"]) == 333
    assert manifest.truncated == {}
    assert not manifest.modalities["audio"].aligned
    assert manifest.modalities["text"].aligned


def test_words_without_vectors_are_kept(tmp_path):
    manifest = convert(make_corpus(make_segments(8, modalities=())), tmp_path / "records")
    assert manifest.modalities == {}
    assert len(read_all(tmp_path / "records")) == 8


def test_nothing_is_dropped_silently(tmp_path):
    segments = make_segments(8)
    again = make_segment(0, 9, video="v0")
    corpus = make_corpus(
        [*segments, again, make_segment(0, 3, video="stray")],
        folds={"train": ["v0", "v1", "v2", "v3"]},
        feature_names={"audio": ("F0", "VUV")},
        noted=[note(Noted.UNALIGNED, modality="audio", count=2)],
    )
    corpus.video_ids = ["v0", "v1", "v2", "v3"]

    def read():
        corpus.account.drop("v0[9]", DropReason.NO_LENGTH)
        corpus.account.count(Cleaned.FRAMES_WITH_NAN, "audio", 3)
        yield from [*segments, again, make_segment(0, 3, video="stray")]

    corpus.read = read
    manifest = convert(corpus, tmp_path / "records")
    assert manifest.dropped == (
        DroppedSegment("v0[9]", "its interval has no length"),
        DroppedSegment("v0[0]", "duplicate id, the first is kept"),
        DroppedSegment("stray[0]", "its video is in no fold"),
    )
    assert manifest.cleaning == {"audio: frames with NaN": 3}
    assert manifest.notes == ("audio is unaligned: 2 segments have other numbers of steps than words.",)
    assert manifest.modalities["audio"].feature_names == ("F0", "VUV")
    assert manifest.modalities["text"].feature_names is None
    assert list(manifest.splits) == ["train"]
    assert_equal_segments(read_all(tmp_path / "records")["v0[0]"], segments[0])


def test_source_files_are_named_without_their_place(tmp_path):
    for name in ("a/words.csd", "b/words.csd", "a/audio.csd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    files = [tmp_path / "a/words.csd", tmp_path / "a/audio.csd"]
    manifest = convert(make_corpus(make_segments(8), files=files), tmp_path / "one")
    assert [(f.file, f.sha256) for f in manifest.source.files] == [
        ("audio.csd", file_sha256(files[1])),
        ("words.csd", file_sha256(files[0])),
    ]
    manifest = convert(make_corpus(make_segments(8), files=[files[0], tmp_path / "b/words.csd"]), tmp_path / "two")
    assert [f.file for f in manifest.source.files] == ["a/words.csd", "b/words.csd"]


def test_the_same_corpus_gives_the_same_manifest(tmp_path):
    first, second = (convert(make_corpus(make_segments(20)), tmp_path / name) for name in ("one", "two"))
    assert first.manifest_hash == second.manifest_hash


def test_the_corpus_is_read_once_and_as_a_stream(tmp_path):
    live, most, calls = weakref.WeakSet(), [0], [0]

    def read():
        calls[0] += 1
        for index in range(60):
            segment = make_segment(index, 3, video="v0")
            live.add(segment)
            most[0] = max(most[0], len(live))
            yield segment

    convert(make_corpus(make_segments(4), read=read), tmp_path / "records")
    assert calls == [1]
    # One on its way, and the one before it, that the reading loop still names.
    assert most[0] <= 2


def test_overwriting(tmp_path):
    target = tmp_path / "records"
    convert(make_corpus(make_segments(8)), target)
    with pytest.raises(ValueError, match=r"Records exist already.*--overwrite"):
        convert(make_corpus(make_segments(12)), target)
    assert len(read_all(target)) == 8
    convert(make_corpus(make_segments(12)), target, overwrite=True)
    assert len(read_all(target)) == 12
    assert os.listdir(tmp_path) == ["records"]


def test_an_interrupt_leaves_nothing(tmp_path):
    def read():
        yield from make_segments(8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(make_corpus(make_segments(8), read=read), tmp_path / "records")
    assert os.listdir(tmp_path) == []


def _bad(**changes):
    return [*make_segments(8), replace(make_segment(99, 3, video="v0"), **changes)]


@pytest.mark.parametrize(
    ("segments", "options", "match"),
    [
        (_bad(features={"text": np.ones((3, 4), np.float32)}), {}, r"same columns.*Expected 3,.*4 columns.*v0\[99\]"),
        (_bad(), {"feature_names": {"audio": ["F0"]}}, r"same columns.*audio with 2 columns, 1 names"),
        (
            _bad(features={"text": np.ones((3, 3), np.float32), "audio": np.ones((4, 2), np.float32)}, tokens=()),
            {},
            r"same number of steps.*'text': 3, 'audio': 4.*v0\[99\]",
        ),
        (_bad(tokens=("one", "two")), {}, r"same number of steps.*'tokens': 2.*v0\[99\]"),
        ([], {}, r"gives no segments.*Received: 0 dropped"),
    ],
)
def test_a_corpus_that_contradicts_itself_is_refused(tmp_path, segments, options, match):
    corpus = make_corpus(segments or make_segments(8), read=lambda: iter(segments), **options)
    with pytest.raises(ValueError, match=match):
        convert(corpus, tmp_path / "records")
    assert os.listdir(tmp_path) == []


def test_an_aligned_modality_has_no_limit_of_its_own(tmp_path):
    with pytest.raises(ValueError, match=r"An aligned modality is cut with the words.*audio=9"):
        convert(make_corpus(make_segments(8)), tmp_path / "records", max_steps={"aligned": 50, "audio": 9})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50", {"aligned": 50}),
        ("30,audio=375", {"aligned": 30, "audio": 375}),
        ("audio=375", {"aligned": 50, "audio": 375}),
        (" video = 500 , 7 ", {"aligned": 7, "video": 500}),
    ],
)
def test_parse_max_steps(text, expected):
    assert parse_max_steps(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "-5", "x", "50,60", "audio=", "=5", "smell=4", "aligned=5", "5.0", "50,", "²", "audio=1,audio=2"),
        *("2147483648", "audio=" + "9" * 5000),
    ],
)
def test_parse_max_steps_refuses(text):
    with pytest.raises(ValueError, match=r"--max-steps is not understood.*Received: max_steps="):
        parse_max_steps(text)


@given(st.text(alphabet="0159audioext=, -²", max_size=12))
def test_parse_max_steps_gives_limits_or_a_value_error(text):
    try:
        limits = parse_max_steps(text)
    except ValueError as error:
        assert repr(text) in str(error)  # noqa: PT017 - either outcome is right, nothing else is
        return
    assert limits["aligned"] > 0
    assert set(limits) <= {"aligned", "text", "audio", "video"}


def test_the_order_of_reading_changes_no_statistics_beyond_rounding(tmp_path):
    segments = make_segments(40)
    shuffled = random.Random(3).sample(segments, len(segments))
    one = convert(make_corpus(segments), tmp_path / "one").modalities["text"]
    two = convert(make_corpus(shuffled), tmp_path / "two").modalities["text"]
    np.testing.assert_allclose(one.std, two.std, rtol=1e-12)


def write_videos(folder, number=7):
    """Videos of different lengths, one of them without words, and labels whose times overlap."""
    words, audio, labels = {}, {}, {}
    for index in range(number):
        rng = np.random.default_rng(index)
        times = np.arange(4 + 3 * index + 1) / 2
        spans = np.stack([times[:-1], times[1:]], axis=1)
        tokens = words_of(*(["sp", "good", "film"][i % 3] for i in range(len(spans))))
        if index != 3:
            words[f"v{index}"] = (tokens, spans)
        frames = rng.normal(size=(20 + 9 * index, 74)).astype(np.float32)
        frames[::7, index] = np.nan
        audio[f"v{index}"] = (frames, np.stack([np.arange(len(frames)), np.arange(1, len(frames) + 1)], axis=1) / 10)
        labels[f"v{index}"] = (rng.uniform(-3, 3, (3, 1)), [[0, 1.2], [1, times[-1]], [1, 1]])
    write_csd(folder / "words.csd", "words", words)
    write_csd(folder / "audio.csd", "COVAREP", audio)
    write_csd(folder / "labels.csd", "labels", labels)
    return folder


def bytes_of(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.mark.slow
def test_records_are_the_same_bytes_for_any_number_of_workers(tmp_path):
    source = write_videos(tmp_path / "source")
    (tmp_path / "glove.txt").write_text("good 1 2\n")
    for workers in (1, 2, 5):
        corpus = open_csd(source, glove=tmp_path / "glove.txt")
        manifest = convert(corpus, tmp_path / f"records{workers}")
    assert sum(info.segments for info in manifest.splits.values()) == 12
    assert len(manifest.dropped) == 9
    assert bytes_of(tmp_path / "records1") == bytes_of(tmp_path / "records2") == bytes_of(tmp_path / "records5")


def test_conversion_does_without_tensorflow(tmp_path):
    source = write_videos(tmp_path / "source")
    program = (
        "import sys\n"
        "from mmtrans.conversion.convert import convert\n"
        "from mmtrans.conversion.inspect import describe\n"
        "from mmtrans.sources.open import open_corpus\n"
        f"source, records = {str(source)!r}, {str(tmp_path / 'records')!r}\n"
        "convert(open_corpus(source), records)\n"
        "print(describe(records)['splits']['train']['segments'] > 0, 'tensorflow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=child_environment())
    assert (done.stdout, done.stderr) == ("True False\n", "")


def child_environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_old_records_or_new_ones_or_none(tmp_path):
    moments = int(os.environ.get("MMTRANS_KILLS", "5"))
    source, records = write_videos(tmp_path / "source", number=12), tmp_path / "records"
    program = (
        "import sys, time\n"
        "from mmtrans.conversion.convert import convert, prepare_here\n"
        "from mmtrans.sources.csd.reader import open_csd\n"
        "def slowly(*arguments):\n"
        "    for segment in prepare_here(*arguments):\n"
        "        time.sleep(0.01)\n"
        "        yield segment\n"
        "print('ready', flush=True)\n"
        f"convert(open_csd({str(source)!r}), {str(records)!r}, overwrite=True, prepare=slowly)\n"
    )

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=child_environment()
        )
        process.stdout.readline()
        return process

    begin = time.monotonic()
    with start() as process:
        assert process.wait() == 0
    longest = time.monotonic() - begin
    expected = bytes_of(records)
    rng = random.Random(5)
    outcomes = Counter()
    for moment in range(moments):
        if moment % 2 and records.exists():
            shutil.rmtree(records)
        with start() as process:
            time.sleep(rng.uniform(0, longest))
            process.kill()
        outcomes["records" if records.exists() else "none"] += 1
        if records.exists():
            assert verify(records) == []
            assert bytes_of(records) == expected
    print(dict(outcomes))
    with start() as process:
        assert process.wait() == 0
    assert bytes_of(records) == expected
    assert sorted(os.listdir(tmp_path)) == ["records", "source"]


def _read_by_a_reader(segments, takes_glove=False):
    return replace(make_corpus(segments), labels=Labels(), takes_glove=takes_glove)


@pytest.mark.parametrize("takes_glove", [True, False])
def test_what_is_absent_is_said(tmp_path, takes_glove):
    bare = [replace(segment, features={"audio": segment.features["audio"]}) for segment in make_segments(8)]
    bare = [replace(s, label=None, features=s.features if SPLIT_OF[s.video_id] == "train" else {}) for s in bare]
    notes = convert(_read_by_a_reader(bare, takes_glove), tmp_path / "records").notes
    remedy = "Give word vectors with --glove FILE." if takes_glove else "Recipes cannot read T."
    assert notes == (
        "No segment has a label: only translations can be trained on these records.",
        f"The words have no vectors, so that there is no text modality. {remedy}",
        "No segment has video.",
        "No segment of valid has audio.",
        "No segment of test has audio.",
    )


def test_what_a_split_lacks_is_said(tmp_path):
    segments = [s if SPLIT_OF[s.video_id] != "test" else replace(s, label=None, tokens=()) for s in make_segments(8)]
    notes = convert(_read_by_a_reader(segments), tmp_path / "records").notes
    assert notes == ("No segment has video.", "No segment of test has labels.")
