import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.inspect import describe, verify
from mmtrans.sources.account import Account, Cleaned
from tests.tfrecords.segments import make_corpus, make_segment, make_segments
from tfrecords.manifest import Manifest, Split, file_sha256
from tfrecords.writer import record_of, write_shards

SEGMENTS = [
    *make_segments(20),
    make_segment(90, 5, video="v0", label=None),
    make_segment(91, 20, video="v0", modalities=("audio",)),
]


@pytest.fixture
def directory(tmp_path):
    convert(make_corpus(SEGMENTS), tmp_path / "records", max_steps={"aligned": 15})
    return tmp_path / "records"


def test_describe(directory):
    summary = describe(directory)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    train = summary["splits"]["train"]
    assert {key: train[key] for key in ("segments", "videos", "labelled", "modalities")} == {
        "segments": 12,
        "videos": 2,
        "labelled": 11,
        "modalities": {"audio": 12, "text": 11},
    }
    assert sum(train["steps"].values()) == 12
    assert train["bytes"] == sum(path.stat().st_size for path in directory.glob("train-*"))
    assert train["shards"] == len(list(directory.glob("train-*")))
    assert summary["modalities"]["text"] == {
        "dim": 3,
        "aligned": True,
        "named": False,
        "statistics": True,
        "dtype": "float32",
        "rows": sum(min(len(s.features["text"]), 15) for s in SEGMENTS if "text" in s.features),
        "zero_rows": 0.0,
        "cleaned_rows": 0.0,
    }
    assert summary["truncated"] == {"aligned": 1}
    assert summary["label"] == {"name": "sentiment", "low": -3.0, "high": 3.0, "neutral": 0.0}
    assert summary["manifest_hash"] == Manifest.load(directory).manifest_hash


def test_describe_tells_lengths_labels_and_rows(tmp_path):
    segments = make_segments(40, longest=30)
    for segment in segments:
        segment.features["audio"] = np.zeros((len(segment.tokens) + 3, 2), np.float32)
        segment.features["audio"][2:] = 1
        segment.features["text"][0] = 0
    account = Account()
    account.count(Cleaned.WORDS_WITH_CLEANED_FRAMES, "text", 11)
    account.count_all("audio", {Cleaned.FRAMES_WITH_NAN: 5, Cleaned.FRAMES_WITH_INFINITY: 2})

    def read():
        corpus.account.add(account)
        yield from segments

    corpus = make_corpus(segments, aligned={"audio": False}, read=read)
    convert(corpus, tmp_path / "records", max_steps={"aligned": 15})
    summary = describe(tmp_path / "records")
    train = [segment for segment in segments if segment.video_id in ("v0", "v1")]
    steps = {
        "aligned": [min(len(segment.tokens), 15) for segment in train],
        "audio": [len(segment.features["audio"]) for segment in train],
    }
    for stream, lengths in steps.items():
        expected = {"mean": np.mean(lengths), "p95": np.percentile(lengths, 95), "max": max(lengths)}
        assert summary["splits"]["train"]["lengths"][stream] == pytest.approx(expected)
    labels = Counter(min(range(-3, 4), key=lambda value: abs(value - segment.label)) for segment in train)
    assert summary["splits"]["train"]["labels"] == {str(value): labels[value] for value in range(-3, 4)}
    rows = {"text": sum(min(len(s.tokens), 15) for s in segments), "audio": sum(len(s.tokens) + 3 for s in segments)}
    for name, zeros, cleaned in (("text", 40, 11), ("audio", 80, 7)):
        info = summary["modalities"][name]
        assert info["rows"] == rows[name]
        assert info["zero_rows"] == pytest.approx(zeros / rows[name])
        assert info["cleaned_rows"] == pytest.approx(cleaned / rows[name])


def test_records_without_a_summary_are_described_too(directory):
    path = directory / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["summary"]
    path.write_text(json.dumps(data), encoding="utf-8")
    summary = describe(directory)
    assert summary["splits"]["train"]["lengths"] == {}
    assert summary["modalities"]["text"]["zero_rows"] is None
    assert verify(directory) == []


def test_shares_are_told_from_the_words_that_manifests_of_any_version_store(directory):
    path = directory / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["cleaning"] = {
        "text: frames with NaN": 3,
        "text: frames with infinity": 4,
        "text: words of another version": 9,
    }
    data["cleaning"] |= {"audio: frames with NaN": 90, "audio: words with cleaned frames": 5}
    path.write_text(json.dumps(data), encoding="utf-8")
    summary = describe(directory)
    for name, cleaned in (("text", 7), ("audio", 5)):
        info = summary["modalities"][name]
        assert info["cleaned_rows"] == pytest.approx(cleaned / info["rows"])
    assert summary["cleaning"] == data["cleaning"]


def test_describe_counts_the_reasons(tmp_path):
    convert(make_corpus([*SEGMENTS, *SEGMENTS[:3]]), tmp_path / "records")
    assert describe(tmp_path / "records")["dropped"] == {"duplicate id, the first is kept": 3}


def test_whole_records_have_no_problems(directory):
    assert verify(directory) == []


@pytest.mark.parametrize("function", [describe, verify])
def test_no_records(tmp_path, function):
    with pytest.raises(FileNotFoundError, match="No records here"):
        function(tmp_path)


def _shard(directory, split="train"):
    return Manifest.load(directory).splits[split].shards[0]


def test_a_missing_shard(directory):
    (directory / _shard(directory).file).unlink()
    assert any(f"A shard is missing: {_shard(directory).file}." in problem for problem in verify(directory))


def test_a_flipped_bit(directory):
    path = directory / _shard(directory).file
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))
    problems = "\n".join(verify(directory))
    assert f"its checksum differs: {path.name}" in problems
    assert "A shard is corrupt" in problems
    assert f"segments in {path.name}, it holds" in problems


def _rewrite(directory, split, segments, **changes):
    """Replaces a split by other records, with a manifest whose checksums fit."""
    manifest = Manifest.load(directory)
    for shard in manifest.splits[split].shards:
        (directory / shard.file).unlink()
    shards = tuple(
        replace(shard, **changes)
        for shard in write_shards(map(record_of, [replace(s, split=split) for s in segments]), directory)[split]
    )
    info = Split(len(segments), len({segment.video_id for segment in segments}), shards)
    replace(manifest, splits={**manifest.splits, split: info}).save(directory)


V3 = [segment for segment in SEGMENTS if segment.video_id == "v3"]


@pytest.mark.parametrize(
    ("segments", "changes", "match"),
    [
        (V3, {}, None),
        ([*V3, make_segment(0, 3, video="v0")], {}, "A segment is stored twice: v0[0]"),
        ([*V3, make_segment(70, 3, video="v0")], {}, "A video is in several splits: v0 in ['test', 'train']."),
        ([make_segment(70, 3, video="v3", label=9.0)], {}, "A label is outside -3.0 to 3.0: 9.0 in v3[70]"),
        ([make_segment(70, 3, video="v3")], {"labelled": False}, "its shard says labelled=False: v3[70]"),
        ([make_segment(70, 3, video="v3")], {"bucket_steps": {"text": 4}}, "A record has ['audio', 'text'], its shard"),
        (
            [make_segment(70, 3, video="v3")],
            {"bucket_steps": {"text": 4, "audio": 8}},
            "not padded with zeros to 8 steps of audio: v3[70]",
        ),
        (
            [replace(make_segment(70, 2, video="v3"), features={"text": np.ones((2, 5), np.float32)}, tokens=())],
            {},
            "does not fit its shape. Expected rows of dim=3",
        ),
    ],
)
def test_records_that_contradict_the_manifest(directory, segments, changes, match):
    _rewrite(directory, "test", segments, **changes)
    problems = verify(directory)
    if match is None:
        assert problems == []
    else:
        assert any(match in problem for problem in problems), problems


def test_values_that_are_not_finite(directory):
    shard = _shard(directory, "test")
    path = directory / shard.file
    segment = make_segment(70, 3, video="v3")
    object.__setattr__(segment, "features", {"text": np.full((3, 3), np.nan, np.float32)})
    object.__setattr__(segment, "split", "test")
    path.unlink()
    # The writer trusts its segments; this is what another program could have written.
    (written,) = write_shards(map(record_of, [segment]), directory)["test"]
    assert file_sha256(directory / written.file) == written.sha256
    manifest = Manifest.load(directory)
    info = Split(1, 1, (written,))
    replace(manifest, splits={**manifest.splits, "test": info}).save(directory)
    assert any("must be finite" in problem and "v3[70]" in problem for problem in verify(directory))


def test_the_count_of_videos(directory):
    manifest = Manifest.load(directory)
    info = replace(manifest.splits["train"], videos=5)
    replace(manifest, splits={**manifest.splits, "train": info}).save(directory)
    assert verify(directory) == ["The manifest counts 5 videos in train, the records hold 2."]
