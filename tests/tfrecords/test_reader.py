import os

import numpy as np
import pytest
import tensorflow as tf

from tests.tfrecords.segments import DIMS, make_segment
from tfrecords.reader import parse_batch, read_ids, read_labels, read_lengths, read_segments
from tfrecords.writer import record_of, serialize, write_shards


def test_parse_batch_mixes_buckets_modalities_and_missing_labels():
    segments = [make_segment(0, 3), make_segment(1, 7, label=None), make_segment(2, 2, modalities=("text",))]
    buckets = [{"text": 4, "audio": 4}, {"text": 8, "audio": 8}, {"text": 4}]
    serialized = [serialize(s, b) for s, b in zip(segments, buckets, strict=True)]
    parsed = {key: value.numpy() for key, value in parse_batch(tf.constant(serialized), DIMS).items()}
    assert [i.decode() for i in parsed["id"]] == ["v[0]", "v[1]", "v[2]"]
    np.testing.assert_array_equal(parsed["label"], np.array([0.5, np.nan, 0.5], np.float32))
    np.testing.assert_array_equal(parsed["text/length"], [3, 7, 2])
    np.testing.assert_array_equal(parsed["audio/length"], [3, 7, 0])
    for name, dim in DIMS.items():
        expected = np.zeros((3, 8, dim), np.float32)
        for row, segment in enumerate(segments):
            for step, values in enumerate(segment.features.get(name, ())):
                expected[row, step] = values
        np.testing.assert_array_equal(parsed[name], expected)


def test_parse_batch_is_the_same_inside_a_dataset():
    serialized = [serialize(make_segment(i, 3), {"text": 4, "audio": 4}) for i in range(3)]
    eager = parse_batch(tf.constant(serialized), DIMS)
    (mapped,) = tf.data.Dataset.from_tensor_slices(serialized).batch(3).map(lambda s: parse_batch(s, DIMS))
    assert sorted(mapped) == sorted(eager)
    for key in eager:
        np.testing.assert_array_equal(mapped[key].numpy(), eager[key].numpy())
    assert mapped["text"].shape == (3, 4, 3)


def test_the_name_of_a_directory_need_not_be_unicode(tmp_path):
    directory = tmp_path / os.fsdecode(b"records\xff")
    directory.mkdir()
    (shard,) = write_shards(map(record_of, [make_segment(0, 3, split="test")]), directory)["test"]
    assert read_ids(directory / shard.file) == ["v[0]"]


def test_read_lengths_is_in_the_order_of_the_file(tmp_path):
    segments = [make_segment(i, steps, split="test") for i, steps in enumerate((3, 2))]
    (shard,) = write_shards(map(record_of, segments), tmp_path)["test"]
    assert read_lengths(tmp_path / shard.file, ("audio", "text")).tolist() == [[3, 3], [2, 2]]
    (shard,) = write_shards(map(record_of, [make_segment(0, 4, modalities=("text",), split="test")]), tmp_path)["test"]
    assert read_lengths(tmp_path / shard.file, ("audio", "text")).tolist() == [[0, 4]]


def test_read_labels_marks_what_is_missing(tmp_path):
    segments = [make_segment(i, 3, label=x, split="test") for i, x in enumerate([1.5, -0.2])]
    (shard,) = write_shards(map(record_of, segments), tmp_path)["test"]
    np.testing.assert_array_equal(read_labels(tmp_path / shard.file), np.array([1.5, -0.2], np.float32))
    (shard,) = write_shards(map(record_of, [make_segment(0, 3, label=None, split="test")]), tmp_path)["test"]
    np.testing.assert_array_equal(read_labels(tmp_path / shard.file), [np.nan])


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_corrupt_shard_is_named(tmp_path, damage):
    (shard,) = write_shards(map(record_of, [make_segment(i, 3, split="test") for i in range(3)]), tmp_path)["test"]
    path = tmp_path / shard.file
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-9:]
    else:
        content[-20] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=rf"shard is corrupt.*record 2 \(.*{shard.file}\)"):
        list(read_segments(path, DIMS))


def _write(path, **features):
    example = tf.train.Example(features=tf.train.Features(feature=features))
    with tf.io.TFRecordWriter(str(path)) as file:
        file.write(example.SerializeToString())


def _text(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def test_a_record_that_is_no_example_is_corrupt(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "x")) as file:
        file.write(b"\xff\xff\xff")
    with pytest.raises(ValueError, match="shard is corrupt"):
        list(read_segments(tmp_path / "x", DIMS))


def test_a_record_without_names_is_refused(tmp_path):
    _write(tmp_path / "x", id=_text(b"v[0]"))
    with pytest.raises(ValueError, match="lacks its names"):
        list(read_segments(tmp_path / "x", DIMS))


@pytest.mark.parametrize(("values", "length"), [(5, 1), (6, 3), (6, 0), (6, None)])
def test_a_record_that_does_not_fit_its_shape_is_refused(tmp_path, values, length):
    lengths = [] if length is None else [length]
    _write(
        tmp_path / "x",
        id=_text(b"v[0]"),
        video_id=_text(b"v"),
        text=tf.train.Feature(float_list=tf.train.FloatList(value=[1.0] * values)),
        **{"text/length": tf.train.Feature(int64_list=tf.train.Int64List(value=lengths))},
    )
    with pytest.raises(ValueError, match=rf"does not fit its shape.*dim=3.*length={length or 0} \(.*v\[0\]\)"):
        list(read_segments(tmp_path / "x", DIMS))


def test_parse_batch_reads_float16_as_it_reads_float32():
    segments = [make_segment(0, 3), make_segment(1, 7), make_segment(2, 2, modalities=("audio",))]
    for segment in segments[:2]:
        segment.features["text"] = segment.features["text"].astype(np.float16).astype(np.float32)
    buckets = [{"text": 4, "audio": 4}, {"text": 8, "audio": 8}, {"audio": 4}]
    single, half = (
        tf.constant([serialize(s, b, halves) for s, b in zip(segments, buckets, strict=True)])
        for halves in ((), ("text",))
    )
    for rows in (slice(0, 3), slice(0, 1)):
        expected, found = parse_batch(single[rows], DIMS), parse_batch(half[rows], DIMS, halves=("text",))
        assert sorted(found) == sorted(expected)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value)
    # Where no record has any, one step stands for none.
    for rows in (slice(2, 3), slice(0, 0)):
        found = parse_batch(half[rows], DIMS, halves=("text",))
        np.testing.assert_array_equal(found["text"], np.zeros((len(half[rows]), 1, DIMS["text"]), np.float32))
