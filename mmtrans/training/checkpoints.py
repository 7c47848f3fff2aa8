"""Checkpoints of a phase, whole or absent: written under a temporary name, then renamed.

The name of one also bears the token of who holds the directory (`mmtrans.system.fence`), who begins with links to those
of the holder before. So one that was believed dead, and lives, writes none that is read from then on, and removes none.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import keras
import tensorflow as tf

from mmtrans.runs.phase_file import PHASE_REMEDY
from mmtrans.runs.weights import save_weights
from mmtrans.system.console import warn
from mmtrans.system.files import link_tree, new_file
from mmtrans.system.lease import check_held, fence_of
from mmtrans.training.progress import Progress
from tfrecords.directories import new_directory, partial_path, remove
from tfrecords.manifest import file_sha256
from tfrecords.stored import read_json

#: Checkpoints kept. One may be damaged by the world outside, so there is another.
KEEP = 2

#: The file that makes a checkpoint: names and sha256 of all others.
CHECKSUMS = "checksums.json"

#: The best weights so far. A checkpoint holds them too: after a fall back they are those of its own past.
BEST = "best.npz"

_NAME = re.compile(r"step-\d+(-\d+)?")


class CheckpointManager:
    """Keeps the state of one phase on disk: a checkpoint after each epoch, and in between when one is due.

    Args:
        phase_dir: receives `checkpoints/`, one sub-directory each, and `best/weights.npz`.
        tracked: the variables to bring back.
        minutes: time between two checkpoints within an epoch, in minutes.
        writes: false for those of several processes that only read.
    """

    def __init__(self, phase_dir: Path, tracked: tf.train.Checkpoint, minutes: float = 5.0, writes: bool = True):
        self.directory = phase_dir / "checkpoints"
        self.best_path = phase_dir / "best" / "weights.npz"
        self.tracked = tracked
        self.seconds = 60.0 * minutes
        self.writes = writes
        self.fence = fence = fence_of(self.directory)
        # Who holds nothing goes on with the names that are there.
        self.token = fence.token if fence else max(map(_token_of, _checkpoints(self.directory)), default=0)
        self.saved = time.monotonic()

    def is_due(self) -> bool:
        """Whether so much time has passed that the work since the last checkpoint should be made safe."""
        return self.writes and time.monotonic() - self.saved >= self.seconds

    def save_best(self, groups: dict[str, keras.Model]) -> None:
        """Writes the best weights; see `save_weights`."""
        if self.writes:
            check_held()
            save_weights(self.best_path, groups)

    def save(self, progress: Progress) -> None:
        """Writes a checkpoint, and drops all others but the one before.

        Args:
            progress: state of the loop. Its `step` names the checkpoint, so that names sort by age; with a `best_epoch`
                the best weights are kept too.
        """
        if not self.writes:
            return
        check_held()
        target = self._path(progress.step)
        self._clear()
        with new_directory(target, overwrite=True) as partial:
            self.tracked.write(str(partial / "state"))
            (partial / "progress.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")
            if progress.best_epoch:
                shutil.copyfile(self.best_path, partial / BEST)
            checksums = {path.name: file_sha256(path) for path in sorted(partial.iterdir())}
            (partial / CHECKSUMS).write_text(json.dumps(checksums, indent=1), encoding="utf-8")
        saved = _checkpoints(self.directory, self.token)
        newest = saved.index(target) + 1
        # Those after it were found damaged, else training would have gone on from them.
        for other in saved[: max(0, newest - KEEP)] + saved[newest:]:
            _drop(other)
        self.saved = time.monotonic()

    def restore(self) -> Progress | None:
        """Brings back the newest checkpoint that is whole, with a line on stderr for each newer one that is not.

        What kills have left beside the checkpoints is cleared away first, as no other may follow: of several processes
        the one that writes comes first.

        Returns:
            its progress, or `None` where there is none.

        Raises:
            ValueError: the checkpoint lacks the tracked objects; Keras 2 and 3 name what they track differently.
        """
        if self.writes:
            self._clear()
            self._take_over()
        found = _checkpoints(self.directory)
        for path in reversed([path for path in found if _token_of(path) == _token_of(found[-1])]):
            if not is_whole(path):
                _warn_of_damage(path)
                continue
            self._read(path)
            if self.writes and (path / BEST).is_file():
                self._restore_best(path / BEST)
            return read_json(path / "progress.json", Progress, PHASE_REMEDY)
        return None

    def _path(self, step: int) -> Path:
        if self.fence:
            self.fence.is_used = True
        return self.directory / (f"step-{step:08d}" + (f"-{self.token:06d}" if self.token else ""))

    def _take_over(self) -> None:
        """Links to the checkpoints of the latest of the holders before who has one that is whole."""
        taken = False
        while not taken:
            earlier = _checkpoints(self.directory, self.token)
            tokens = {_token_of(path) for path in earlier if is_whole(path)}
            if not tokens or max(tokens) == self.token:
                return
            # One who still writes drops the older ones.
            for path in reversed(earlier):
                if _token_of(path) == max(tokens):
                    taken |= self._take(path)

    def _take(self, path: Path) -> bool:
        """Links to a checkpoint of an earlier holder; returns whether it was whole, and there to the end."""
        target = self._path(_step_of(path))
        try:
            with new_directory(target, overwrite=True) as partial:
                link_tree(path, partial)
        except OSError:
            if path.name in os.listdir(self.directory):
                raise
            return False
        if is_whole(target):
            return True
        if path.name in os.listdir(self.directory):
            _warn_of_damage(path)
        _drop(target)
        return False

    def _clear(self) -> None:
        """Removes what kills have left, of all steps, but nothing of a later holder. A kill between the two renames of
        a replacement leaves a checkpoint's only copy under the name of an old one: it is put back."""
        for left in sorted(self.directory.glob(".step-*")):
            name, kind = left.name[1:].split(".")[:2]
            if _token_of(self.directory / name) > self.token:
                continue
            if kind.startswith("old") and not (self.directory / name).exists():
                with contextlib.suppress(FileNotFoundError):
                    left.rename(self.directory / name)
            else:
                remove(left)

    def _read(self, path: Path) -> None:
        status = self.tracked.read(str(path / "state"))
        try:
            status.assert_existing_objects_matched()
        except AssertionError as error:
            status.expect_partial()  # or TensorFlow warns of each value at exit
            raise ValueError(
                f"A checkpoint does not fit the model. Expected one written with TensorFlow {tf.__version__} and Keras "
                f"{keras.__version__}, or alike. Received: checkpoint={str(path)!r}. Go on with the versions that the "
                f"run's environment.json names, or choose another --run."
            ) from error

    def _restore_best(self, kept: Path) -> None:
        self.best_path.parent.mkdir(exist_ok=True)
        with new_file(self.best_path) as partial:
            shutil.copyfile(kept, partial)


def discard_checkpoints(phase_dir: Path) -> None:
    """Removes the checkpoints of a phase, but none of a later holder of its run."""
    directory = phase_dir / "checkpoints"
    fence = fence_of(directory)
    for path in _checkpoints(directory, fence.token if fence else None):
        _drop(path)


def _checkpoints(directory: Path, token: int | None = None) -> list[Path]:
    """The checkpoints there, by holder and step; those of holders up to one, or of all."""
    found = [path for path in directory.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(
        (path for path in found if token is None or _token_of(path) <= token),
        key=lambda path: (_token_of(path), _step_of(path)),
    )


def _step_of(path: Path) -> int:
    return int(path.name.split("-")[1])


def _token_of(path: Path) -> int:
    """The token in a checkpoint's name; 0 of one that was written by an earlier version, or where none is held."""
    return int(path.name.split("-")[2]) if path.name.count("-") == 2 else 0


def _warn_of_damage(path: Path) -> None:
    warn(f"A checkpoint is damaged; training goes on from before it ({path}).")


def _drop(path: Path) -> None:
    """Removes a checkpoint, under a name of none, since a kill may come meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path.rename(partial_path(path)))


def is_whole(path: Path) -> bool:
    """Whether a checkpoint's files are all there and have the checksums that they were written with."""
    try:
        checksums = read_json(path / CHECKSUMS, dict[str, str], PHASE_REMEDY)
        files = {path / name: sha for name, sha in checksums.items()}
        # A pipe would be waited for.
        return path / "progress.json" in files and all(
            f.is_file() and file_sha256(f) == sha for f, sha in files.items()
        )
    except (OSError, ValueError):
        return False
