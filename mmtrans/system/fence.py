"""A fence: by it only the latest of those who have held a directory can replace what is there.

No lock and no check keeps out a holder that was stopped, or cut off, after its last check and before its rename. So it
must be the rename that fails. In a directory `.tokens` each holder makes a sub-directory, its token: one more than the
highest there, so that of several that come at once one has it. Whatever it is to put in place it first makes beside the
tokens, under a name that begins with its own. Then it looks whether its token is the highest, and renames. A new
holder, as soon as it has its token, removes all that bears a lower one.

Either the older one looks after that: it finds the higher token, and stops. Or it has made its file before the new one
looks, who removes it; then there is nothing left to rename, whenever the older one wakes. A rename that came before is
one that the new holder finds done, as it reads nothing before. The highest token is never removed, so none is used
twice. All that is asked of the file system is that making a directory, renaming and removing are one step each, and
that a directory is listed as it is when it is opened: NFS does so.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from tfrecords.directories import partial_path, remove

#: The directory of the tokens.
TOKENS = ".tokens"


class LeaseLostError(ValueError):
    """Another process has taken a directory over, so this one must not go on writing there."""

    def __init__(self, directory: Path):
        super().__init__(
            f"Another process has taken the directory over, or it was removed. Expected to be the only one that writes "
            f"there. Received: directory={str(directory)!r}. What was written until then is kept."
        )


class Fence:
    """The right of one holder to replace what is in a directory, until there is another.

    Args:
        directory: where the tokens are; made if there is none.

    Attributes:
        token: the holder's token, from 1.
        is_used: whether a name that bears the token was made: then the token must not be given out again.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.is_used = False
        self.token = self._claim()
        for name in self._names():
            if _token_of(name) < self.token:
                self._take_away(name)

    def staged(self, path: Path) -> Path:
        """A new name for what is to be put at `path`."""
        self.is_used = True
        return self.directory / f"{self.token:06d}{partial_path(path).name}"

    def check(self) -> None:
        """Raises a LeaseLostError where there is a later holder, or the tokens were removed."""
        tokens = [int(name) for name in self._names() if name.isdecimal()]
        if self.token not in tokens or max(tokens) > self.token:
            raise LeaseLostError(self.directory.parent)

    def replace(self, staged: Path, path: Path) -> None:
        """Puts a file that was made under a staged name in place of what is at `path`.

        Raises:
            LeaseLostError: there is a later holder.
        """
        self.check()
        try:
            os.replace(staged, path)
        except FileNotFoundError:
            self.check()
            raise

    def forget(self) -> None:
        """Removes the tokens where nobody but this holder has ever been."""
        if self.token == 1:
            for name in (f"{self.token:06d}", ""):
                with contextlib.suppress(OSError):
                    (self.directory / name).rmdir()

    def _claim(self) -> int:
        self.directory.mkdir(exist_ok=True)
        while True:
            token = max((int(name) for name in self._names() if name.isdecimal()), default=0) + 1
            # Where another one was faster, once more.
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.directory / f"{token:06d}")
                return token

    def _take_away(self, name: str) -> None:
        """Removes what an earlier holder has made; a directory at once, too."""
        path = self.directory / name
        with contextlib.suppress(FileNotFoundError):
            if path.is_dir():
                path = path.rename(self.staged(path))
            remove(path)

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.directory) if re.match(r"\d{6}", name)]
        except FileNotFoundError:
            return []


def _token_of(name: str) -> int:
    return int(re.split(r"\D", name)[0])
