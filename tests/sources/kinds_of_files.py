"""Kinds of files: what is damaged, of another kind than its name says, or no file at all."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

from tests.sources.kinds import WRITE, Kinds, Row, after


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _replaced(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _in_its_place(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def _refused(change: Callable[[Path], object], pattern: str) -> dict[str, Row]:
    return {format: Row(after(change)(format), refused=pattern) for format in WRITE}


def _refused_in_folder(make: Callable[[Path], object], pattern: str) -> dict[str, Row]:
    """The same where the folder is named, and the reader finds the file by itself."""

    def of_format(format: str) -> Callable[[Path], Path]:
        write = after(_in_its_place(make))(format)

        def write_folder(folder: Path) -> Path:
            write(folder)
            return folder

        return write_folder

    return {format: Row(of_format(format), refused=pattern) for format in WRITE}


def _linked(path: Path) -> None:
    path.rename(path.parent.parent / "kept-elsewhere")
    path.symlink_to("../kept-elsewhere")


def _is_read(corpus, segments) -> None:
    assert len(segments) == 7
    assert {name for segment in segments.values() for name in segment.features} == {"text", "audio", "video"}


_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
_PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Quota exceeded</title></head></html>"

KINDS: Kinds = {
    "a file that is cut off": _refused(_cut_off, r"cannot be read.*Received: "),
    "a link to the file": {format: Row(after(_linked)(format), check=_is_read) for format in WRITE},
    "a path with nothing": {
        format: Row(lambda folder: folder / "nothing.here", refused=r"There is no .*nothing\.here") for format in WRITE
    },
    "an empty file": _refused(_replaced(b""), r"cannot be read: it is an empty file\. .* 0 bytes\. Download"),
    "a pointer of git-lfs": _refused(_replaced(_POINTER), r"it is a pointer of git-lfs.*with `git lfs pull`\.$"),
    "a web page": _refused(_replaced(_PAGE), r"it is a web page \(HTML\)\. .* a server has answered with a page"),
    "a compressed file": _refused(
        lambda path: path.write_bytes(gzip.compress(path.read_bytes())), r"it is a file compressed with gzip.*Unpack it"
    ),
    "a pipe": _refused_in_folder(os.mkfifo, r"cannot be read: it is a pipe\. Expected a regular file\. Received: "),
    "a device": _refused_in_folder(lambda path: path.symlink_to("/dev/zero"), r"cannot be read: it is a device\. "),
    "a link to nothing": _refused_in_folder(
        lambda path: path.symlink_to("moved-away"), r"cannot be read: it is a link to nothing \(moved-away\)\. "
    ),
    "a pipe that is named itself": _refused(_in_its_place(os.mkfifo), r"cannot be read: it is a pipe\. "),
}
