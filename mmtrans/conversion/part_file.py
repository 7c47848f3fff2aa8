"""The file of a part of a conversion: what is prepared of its segments, one after the other."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mmtrans.conversion.prepare import Prepared

#: Before each segment, the bytes that it takes.
_LENGTH = struct.Struct("<Q")

#: Rows of `Moments.columns`, the only arrays.
_ROWS = 4


def _to_bytes(value: Any) -> bytes:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(type(value))
    return np.ascontiguousarray(value, "<f8").tobytes()


def _to_array(kind: type, value: Any) -> Any:
    return np.frombuffer(value, "<f8").reshape(_ROWS, -1)


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_bytes)
_decoder = msgspec.msgpack.Decoder(Prepared, dec_hook=_to_array)


def write_part(path: Path, segments: Iterable[Prepared]) -> int:
    """Writes segments, one in memory at a time, and returns how many there were.

    Raises:
        OSError: the file cannot be written.
    """
    number = 0
    with path.open("wb") as file:
        for segment in segments:
            number += 1
            content = _encoder.encode(segment)
            file.write(_LENGTH.pack(len(content)))
            file.write(content)
    return number


def read_part(path: Path, number: int) -> Iterator[Prepared]:
    """Reads so many segments, one in memory at a time.

    Raises:
        ValueError: there are fewer.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        for _ in range(number):
            length = file.read(_LENGTH.size)
            content = file.read(*_LENGTH.unpack(length)) if len(length) == _LENGTH.size else b""
            try:
                segment = _decoder.decode(content)
            except msgspec.DecodeError as error:
                raise ValueError(
                    f"A part of the conversion is damaged. Expected what a worker has written. Received: {error} "
                    f"({path}). Convert again."
                ) from error
            yield segment
