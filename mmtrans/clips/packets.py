"""What is decoded of one stream of a file, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Decoded:
    """The frames of one stream of an opened file, by one thread.

    Args:
        container: the opened file.
        stream: its stream.

    Attributes:
        damaged_packets: how many packets gave an error, and were left out.
        broken_stamps: how many time stamps were not followed.
        is_cut_off: whether the file ended in an error.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self._container, self._stream = container, stream
        stream.codec_context.thread_count = 1
        self.damaged_packets = self.broken_stamps = 0
        self.is_cut_off = False

    def _frames(self) -> Iterator[Any]:
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:
                self.is_cut_off = True
                return
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.damaged_packets += 1
