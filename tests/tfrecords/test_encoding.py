import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tfrecords.segments import make_segment
from tfrecords.encoding import frame, serialize, unframed
from tfrecords.schema import Segment

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def example_oracle(segment, bucket_steps):
    """The same record in TensorFlow's own classes."""

    def texts_of(values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode() for value in values]))

    def floats_of(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    feature = {"id": texts_of([segment.id]), "video_id": texts_of([segment.video_id])}
    feature["tokens"] = texts_of(segment.tokens)
    if segment.label is not None:
        feature["label"] = floats_of([segment.label])
    for name, array in segment.features.items():
        padding = [0.0] * ((bucket_steps[name] - len(array)) * array.shape[1])
        feature[name] = floats_of([*array.ravel().tolist(), *padding])
        feature[f"{name}/length"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[len(array)]))
    return tf.train.Example(features=tf.train.Features(feature=feature))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_record_is_the_example_of_tensorflows_own_classes(data):
    features, buckets = {}, {}
    for name in data.draw(st.sets(st.sampled_from(["text", "audio", "video"]))):
        steps, dim = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 3))
        features[name] = np.random.default_rng(steps).normal(size=(steps, dim)).astype(np.float32)
        buckets[name] = steps + data.draw(st.integers(0, 40))
    label = data.draw(st.none() | st.floats(-3, 3))
    tokens = tuple(data.draw(st.lists(texts, max_size=4)))
    segment = Segment(data.draw(texts), data.draw(texts), features, label=label, tokens=tokens)
    expected = example_oracle(segment, buckets)
    record = serialize(segment, buckets)
    assert tf.train.Example.FromString(record) == expected
    # Protocol buffers promise no order of a map's entries, so that only the sizes are comparable.
    assert len(record) == len(expected.SerializeToString())


def test_equal_segments_give_equal_bytes_and_a_label_counts():
    first, second = (serialize(make_segment(1, 4), {"text": 6, "audio": 6}) for _ in range(2))
    assert first == second
    assert first != serialize(make_segment(1, 4, label=None), {"text": 6, "audio": 6})


@pytest.mark.parametrize("record", [b"", b"x", bytes(range(256)) * 300])
def test_a_framed_record_has_the_bytes_that_tensorflow_writes(tmp_path, record):
    path = tmp_path / "one.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(record)
    assert frame(record) == path.read_bytes()


def test_records_that_tensorflow_wrote_are_read(tmp_path):
    records, path = [b"", b"x", bytes(range(256)) * 300], tmp_path / "some.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    with open(path, "rb") as file:
        assert list(unframed(file)) == records


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damage_at_any_byte_is_found(damage):
    whole = frame(b"first") + frame(b"second")
    for place in range(len(whole)):
        damaged = whole[:place] if damage == "cut" else whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        if damage == "cut" and place in (0, len(frame(b"first"))):
            continue
        with pytest.raises(ValueError, match="whole record"):
            list(unframed(io.BytesIO(damaged)))


def test_a_length_beyond_the_file_is_damage():
    length = (1 << 63).to_bytes(8, "little")
    forged = frame(length)[12:] + b"x"  # its checksum holds
    with pytest.raises(ValueError, match="whole record"):
        list(unframed(io.BytesIO(forged)))
