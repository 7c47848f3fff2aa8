"""Kinds of files: what is damaged, of another kind than its name says, or no file at all."""

from __future__ import annotations

from pathlib import Path

from tests.sources.kinds import WRITE, Kinds, Row, after


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _refused(change, pattern: str) -> dict[str, Row]:
    return {format: Row(after(change)(format), refused=pattern) for format in WRITE}


KINDS: Kinds = {
    "a file that is cut off": _refused(_cut_off, r"cannot be read.*Received: "),
    "a path with nothing": {
        format: Row(lambda folder: folder / "nothing.here", refused=r"There is no .*nothing\.here") for format in WRITE
    },
}
