"""Records whose text is stored in float16: what is read, counted and checked is what is stored."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.inspect import verify
from mmtrans.conversion.refold import refold
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.sources.format import SourceOptions
from tests.conversion.test_statistics import oracle
from tests.tfrecords.segments import DIMS, assert_equal_segments, make_corpus, make_segment, make_segments
from tfrecords.manifest import MANIFEST_NAME, Manifest
from tfrecords.reader import read_segments

SEGMENTS = [*make_segments(24), make_segment(99, 3, video="v0", modalities=("audio",))]
ROUNDED = {
    segment.id: replace(
        segment,
        features={
            name: array.astype(np.float16).astype(np.float32) if name == "text" else array
            for name, array in segment.features.items()
        },
    )
    for segment in SEGMENTS
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("precision") / "records"
    convert(make_corpus(SEGMENTS, text_dtype="float16"), path)
    return path


def stored(directory):
    manifest = Manifest.load(directory)
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    return [segment for shard in shards for segment in read_segments(directory / shard.file, DIMS)]


def test_text_comes_back_rounded_and_nothing_else(directory):
    found = stored(directory)
    assert len(found) == len(SEGMENTS)
    for segment in found:
        assert_equal_segments(segment, ROUNDED[segment.id])
    assert verify(directory) == []


def test_statistics_are_of_what_is_stored(directory):
    manifest = Manifest.load(directory)
    train = manifest.folds.videos["train"]
    for name, info in manifest.modalities.items():
        rows = [s.features[name] for s in ROUNDED.values() if s.video_id in train and name in s.features]
        mean, std = oracle(rows)
        np.testing.assert_allclose(info.mean, mean, rtol=1e-9)
        np.testing.assert_allclose(info.std, std, rtol=1e-9)
    assert {name: info.dtype for name, info in manifest.modalities.items()} == {"text": "float16", "audio": "float32"}


def test_batches_hold_the_rounded_values(directory):
    records = Records.open(directory)
    seen = 0
    for batch in make_batches(records, Selection("train", ("text",), ("audio",)), batch_size=5, shuffle=(0, 0)):
        for row, id_ in enumerate(batch["id"].numpy()):
            for name, value in (("text", batch["source"]), ("audio", batch["target"])):
                expected = np.zeros(value.shape[1:], np.float32)
                array = ROUNDED[id_.decode()].features[name]
                expected[: len(array)] = array
                np.testing.assert_array_equal(value[row], expected)
            seen += 1
    assert seen == records.count("train", ("text", "audio"))


def test_half_of_the_bytes_of_text_are_saved(directory, tmp_path):
    convert(make_corpus(SEGMENTS), tmp_path / "single")
    steps = sum(
        shard.bucket_steps.get("text", 0) * shard.segments
        for split in Manifest.load(directory).splits.values()
        for shard in split.shards
    )
    single, half = (
        sum(shard.bytes for split in Manifest.load(path).splits.values() for shard in split.shards)
        for path in (tmp_path / "single", directory)
    )
    # Each segment's lengths of fields may take another byte.
    assert abs(single - half - 2 * DIMS["text"] * steps) <= 3 * len(SEGMENTS)


def test_the_type_is_part_of_the_manifests_hash_where_it_is_told(directory):
    manifest = Manifest.load(directory)
    infos = manifest.modalities
    single = replace(manifest, modalities={**infos, "text": replace(infos["text"], dtype="float32")})
    assert single.manifest_hash != manifest.manifest_hash


def test_what_float16_does_not_hold_is_refused(tmp_path):
    segment = make_segment(0, 2, video="v0")
    segment.features["text"][1, 2] = -65520.0
    with pytest.raises(
        ValueError,
        match=r"does not fit into float16\. Expected sizes up to 65504\. Received: text with -65520 \(v0\[0\]\)\. Conv",
    ):
        convert(make_corpus([*make_segments(8)[1:], segment], text_dtype="float16"), tmp_path / "records")
    assert not (tmp_path / "records").exists()
    segment.features["text"][1, 2] = 65519.0  # it rounds down
    convert(make_corpus([*make_segments(8)[1:], segment], text_dtype="float16"), tmp_path / "records")
    assert max(segment.features["text"].max() for segment in stored(tmp_path / "records")) == 65504.0


def test_verify_finds_another_type_than_the_manifests(directory, tmp_path):
    convert(make_corpus(make_segments(8), text_dtype="float16"), tmp_path / "records")
    path = tmp_path / "records" / MANIFEST_NAME
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["modalities"]["text"]["dtype"]
    path.write_text(json.dumps(content), encoding="utf-8")
    problems = verify(tmp_path / "records")
    assert len(problems) == 8
    assert all(
        problem.startswith("A record does not hold text in float32, as the manifest says") for problem in problems
    )


def test_folding_anew_keeps_the_type(directory, tmp_path):
    refold(directory, {"v0"}, tmp_path / "fold")
    assert Manifest.load(tmp_path / "fold").modalities["text"].dtype == "float16"
    for segment in stored(tmp_path / "fold"):
        assert_equal_segments(segment, ROUNDED[segment.id])


@pytest.mark.parametrize("options", [{"text_dtype": "float8"}, {"text_dtype": "float16", "text_pieces": 4}])
def test_a_type_that_does_not_hold_text_is_refused(options):
    with pytest.raises(
        ValueError, match=r"cannot be stored in this type\. Expected one of .*float16.*, and float32 with --text-pieces"
    ):
        SourceOptions(text_encoder="encoder", **options)
