"""Attempts: directories that have one writer for ever, so that it does no harm if one that is believed dead lives on.

No lock and no check keeps out a process that was stopped, or cut off, and wakes in the middle of a write. So nobody
takes a directory over: who begins a work claims the next attempt at it, copies what an earlier one has made safe, and
writes nowhere else.

The place of a work holds a directory for each attempt, `<era>.<number>`, in it `begun` and `done`. The era is the token
of the lease under which the work was asked for (`mmtrans.system.lease`), so an attempt for a later command is higher
than any for an earlier one, even where the place was removed in between.

1. A token has one writer. It is claimed by making its directory, which fails where there is one, on NFS too; an attempt
   is never renamed. What the writer of an attempt that was removed makes again has its old token.
2. Tokens rise. A token is one more than the highest that a listing showed, and the highest is not removed: so it is
   higher than each that was claimed before that listing. One that was slower is lower, as if it had come first.
3. Readers take the highest that was claimed, and only if it is done. So from the claim on, nothing is read of what
   lower ones write.
4. `done` is the last that a writer makes, and `begun` comes after what it has copied. A kill before `begun` leaves
   nothing that anyone builds on; after it, what was copied from may be removed. Whoever copies from one that still
   writes must take only what is whole: that is left to `take_over`.

What is there is always found by listing a directory: NFS asks the server anew when one is opened, and not for a name.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mmtrans.system.lease import LeaseLostError
from tfrecords.directories import remove

_BEGUN, _DONE = "begun", "done"
_NAME = re.compile(r"(\d+)\.(\d+)")

#: Era and number of an attempt.
_Token = tuple[int, int]


@contextlib.contextmanager
def attempt(place: Path, era: int = 0, take_over: Callable[[Path, Path], None] | None = None) -> Iterator[Path]:
    """Claims the next attempt at a work, and gives its directory; at the end of the body the work is done.

    After an exception it is not done, and the next attempt may begin with what it leaves.

    Args:
        place: directory of the attempts at this work; made if there is none. Its parent is made by the command that
            asks for the work.
        era: the lease's token of the command that asked for the work.
        take_over: `take_over(earlier, new)` copies what is safe in the directory of an earlier attempt. That one's
            process may still be writing there.

    Raises:
        LeaseLostError: a later command has begun, or has removed this attempt; or the command that asked for the work
            has ended, and has removed the parent of `place`.
    """
    try:
        place.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise LeaseLostError(place) from error
    token = _claim(place, era)
    path = _path(place, token)
    try:
        earlier = max((other for other in _begun(place) if other < token), default=None)
        if earlier is not None and take_over is not None:
            take_over(_path(place, earlier), path)
        (path / _BEGUN).touch()
        yield path
        (path / _DONE).touch()
    except FileNotFoundError as error:
        if token in _claimed(place):
            raise
        raise LeaseLostError(place) from error


def finished(place: Path, era: int = 0) -> Path | None:
    """The directory of the highest attempt at a work, if it is done and of this era; else `None`."""
    token = max(_claimed(place), default=None)
    if token is None or token[0] != era or _DONE not in _names(_path(place, token)):
        return None
    return _path(place, token)


def remove_superseded(place: Path) -> None:
    """Removes the attempts at a work that nobody reads or copies any more. Call it while no task of the work runs."""
    highest = max(_begun(place), default=None)
    for token in _claimed(place):
        if highest is not None and token < highest:
            remove(_path(place, token))


def _claim(place: Path, era: int) -> _Token:
    """Makes the directory of a new token, and returns the token."""
    while True:
        tokens = _claimed(place)
        if any(token[0] > era for token in tokens):
            raise LeaseLostError(place)
        token = era, max((number for other, number in tokens if other == era), default=0) + 1
        try:
            os.mkdir(_path(place, token))
        except FileExistsError:
            # Another one was faster.
            continue
        except FileNotFoundError as error:
            raise LeaseLostError(place) from error
        return token


def _claimed(place: Path) -> list[_Token]:
    matches = map(_NAME.fullmatch, _names(place))
    return [(int(match[1]), int(match[2])) for match in matches if match is not None]


def _begun(place: Path) -> list[_Token]:
    return [token for token in _claimed(place) if _BEGUN in _names(_path(place, token))]


def _path(place: Path, token: _Token) -> Path:
    return place / f"{token[0]:06d}.{token[1]:06d}"


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
