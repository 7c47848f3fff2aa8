"""Segment → `tf.train.Example` → framed record, what TensorFlow would write, without TensorFlow.

Conversion is the one command that needs nothing else of TensorFlow, whose import takes longer than converting MOSI
does. The wire format of protocol buffers needs one rule here: a field is its tag, its length and its content.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import BinaryIO

import google_crc32c
import numpy as np

from tfrecords.schema import Segment

#: What stands before a record in a file, its length and the checksum of that; and the checksum after it.
_HEAD_BYTES, _CRC_BYTES = 12, 4

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3

#: How float16 stands in the bytes of a record, for numpy.
HALF = "<f2"


def serialize(segment: Segment, bucket_steps: Mapping[str, int], halves: Collection[str] = ()) -> bytes:
    """One record.

    Args:
        segment: the segment; its `split` is the shard's and is not stored.
        bucket_steps: modality → steps to pad to, at the right, with zeros.
        halves: modalities that are stored in float16.

    Returns:
        A serialized `tf.train.Example` with the features `id`, `video_id`, `tokens` (bytes), `label` (float, left out
        where there is none), and for each modality `<modality>` (`bucket_steps · dim` floats, row by row; bytes of as
        many numbers where it is stored in float16) and `<modality>/length` (int64). Equal segments give equal bytes:
        the features are in the order of their names.
    """
    feature = {"id": _bytes([segment.id]), "video_id": _bytes([segment.video_id]), "tokens": _bytes(segment.tokens)}
    if segment.label is not None:
        feature["label"] = _floats(np.array([segment.label]))
    for modality, array in segment.features.items():
        padded = np.zeros((bucket_steps[modality], array.shape[1]), HALF if modality in halves else "<f4")
        padded[: len(array)] = array
        feature[modality] = _field(_BYTES_LIST, _field(1, padded.tobytes())) if modality in halves else _floats(padded)
        feature[f"{modality}/length"] = _field(_INT64_LIST, _field(1, _varint(len(array))))
    entries = (_field(1, _field(1, name.encode()) + _field(2, feature[name])) for name in sorted(feature))
    return _field(1, b"".join(entries))


def frame(record: bytes) -> bytes:
    """A record as it stands in a TFRecord file: its length, the length's checksum, itself, its checksum."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _masked_crc(length), record, _masked_crc(record)))


def unframed(file: BinaryIO) -> Iterator[bytes]:
    """The records of a TFRecord file, one at a time.

    Args:
        file: the file, opened to read bytes.

    Raises:
        ValueError: it is cut short, or a checksum fails.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    while head := file.read(_HEAD_BYTES):
        # A damaged length may be of any size.
        record = file.read(min(int.from_bytes(head[:8], "little"), size))
        if frame(record) != b"".join((head, record, file.read(_CRC_BYTES))):
            raise ValueError("Not a whole record.")
        yield record


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _field(number: int, content: bytes) -> bytes:
    # 2 is the wire type of everything that has a length, packed numbers included.
    return b"".join((_varint(number << 3 | 2), _varint(len(content)), content))


def _bytes(texts: Iterable[str]) -> bytes:
    return _field(_BYTES_LIST, b"".join(_field(1, text.encode("utf-8")) for text in texts))


def _floats(values: np.ndarray) -> bytes:
    return _field(_FLOAT_LIST, _field(1, values.astype("<f4", copy=False).tobytes()))
