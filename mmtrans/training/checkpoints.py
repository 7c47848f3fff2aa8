"""Checkpoints of a phase, whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import keras
import tensorflow as tf

from mmtrans.runs.weights import PHASE_REMEDY, save_weights
from mmtrans.system.console import warn
from mmtrans.system.files import new_file
from mmtrans.system.lease import check_held
from mmtrans.training.progress import Progress
from tfrecords.directories import new_directory, partial_path
from tfrecords.manifest import file_sha256
from tfrecords.stored import read_json

#: Checkpoints kept. One may be damaged by the world outside, so there is another.
KEEP = 2

#: The file that makes a checkpoint: names and sha256 of all others.
CHECKSUMS = "checksums.json"

#: The best weights so far. A checkpoint holds them too: after a fall back they are those of its own past.
BEST = "best.npz"


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
        target = self.directory / f"step-{progress.step:08d}"
        self._clear()
        with new_directory(target, overwrite=True) as partial:
            self.tracked.write(str(partial / "state"))
            (partial / "progress.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")
            if progress.best_epoch:
                shutil.copyfile(self.best_path, partial / BEST)
            checksums = {path.name: file_sha256(path) for path in sorted(partial.iterdir())}
            (partial / CHECKSUMS).write_text(json.dumps(checksums, indent=1), encoding="utf-8")
        saved = sorted(self.directory.glob("step-*"))
        newest = saved.index(target) + 1
        # Those after it were found damaged, else training would have gone on from them.
        for other in saved[: max(0, newest - KEEP)] + saved[newest:]:
            # Under a name of no checkpoint, since a kill may come while it is removed.
            shutil.rmtree(other.rename(partial_path(other)))
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
        for path in sorted(self.directory.glob("step-*"), reverse=True):
            if not is_whole(path):
                warn(f"A checkpoint is damaged; training goes on from before it ({path}).")
                continue
            self._read(path)
            if self.writes and (path / BEST).is_file():
                self._restore_best(path / BEST)
            return read_json(path / "progress.json", Progress, PHASE_REMEDY)
        return None

    def _clear(self) -> None:
        """Removes what kills have left, of all steps, since nobody else writes here. A kill between the two renames of
        a replacement leaves a checkpoint's only copy under the name of an old one: it is put back."""
        for left in sorted(self.directory.glob(".step-*")):
            name, kind = left.name[1:].split(".")[:2]
            if kind.startswith("old") and not (self.directory / name).exists():
                left.rename(self.directory / name)
            else:
                shutil.rmtree(left)

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
