"""Recordings as tasks of an engine: each is measured into a place of its own, which the command then takes over.

A place has a new name each time, and the command reads the one that it was told of: what a worker that is believed dead
still writes is never read.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from mmtrans import __version__
from mmtrans.clips.account import Reason
from mmtrans.clips.listing import Recording
from mmtrans.clips.models import check_models, check_packages, models_for
from mmtrans.clips.recordings import extract_recording, failed, request_of
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.store import CLIPS, ClipStore, Receipt
from mmtrans.engine.engine import TASKS_PER_PROCESS, Outcome
from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions, Needs
from mmtrans.system import interrupts
from mmtrans.system.console import warn
from tfrecords.directories import partial_path, recover, remove

_LOG = "log"

#: Bytes that a recording takes in a worker and the child that decodes it.
_MEMORY = 512 << 20


@dataclass(frozen=True)
class Measured:
    """A recording that was measured.

    Attributes:
        place: name of the folder that holds what became of it.
        failure: what became of it where the next command is to try again.
    """

    place: str
    failure: Receipt | None


@dataclass(frozen=True)
class ClipWork:
    """Measures recordings.

    Attributes:
        settings: how clips are extracted.
        models: name → sha256 of the models that the command has.
        directory: a directory for the places, which is there as long as the command.
    """

    tasks_per_process: ClassVar[int | None] = TASKS_PER_PROCESS

    settings: ExtractSettings
    models: Mapping[str, str]
    directory: Path

    def start(self) -> None:
        """Nothing: what a recording needs is found with it."""

    def log_path(self, task: Recording) -> Path:
        """The one log of all recordings."""
        return self.directory / _LOG

    def __call__(self, task: Recording) -> Measured:
        place = self.directory / uuid.uuid4().hex
        (place / CLIPS).mkdir(parents=True)
        store = ClipStore(place)
        request = self._request(task)
        # More threads would not only take the processors of others: sums may be rounded otherwise.
        with interrupts.deferred(), threadpool_limits(1, user_api="blas"):
            receipt = extract_recording(task, request, store, self.settings)
        return Measured(place.name, None if store.receipt(task.name) else receipt)

    def _request(self, task: Recording) -> dict[str, object]:
        """All that the recording depends on, as this process sees it.

        Raises:
            ValueError: it does not see the file, or has other models, or none.
        """
        host = socket.gethostname()
        try:
            check_packages([task], self.settings)
            check_models(self.models, models_for([task], self.settings), host)
            return request_of(task)
        except OSError as error:
            raise ValueError(f"{error.strerror} ({host})") from error


def measure(
    recordings: Sequence[Recording],
    store: ClipStore,
    settings: ExtractSettings,
    options: EngineOptions,
    progress: Callable[[int, int], None],
) -> Generator[Receipt, None, None]:
    """Measures recordings, and puts what becomes of each in the corpus as soon as it is done.

    Args:
        recordings: those that are to be measured.
        store: the directory of the corpus, which this process holds.
        settings: how clips are extracted.
        options: where recordings are measured.
        progress: is called with the number of recordings that are done, and of all.

    Yields:
        what became of each, in the order in which they end.

    Raises:
        ValueError: a worker lacks what it needs, or a file has changed meanwhile.
        SystemRefusalError: the operating system refused something.
    """
    recover(store.directory / CLIPS)
    directory = partial_path(store.directory / CLIPS)
    directory.mkdir()
    needs = Needs(
        {"mmtrans": __version__, "numpy": np.__version__, "scipy": scipy.__version__},
        directories=(directory,),
        memory=_MEMORY,
    )
    try:
        with opened(options, ClipWork(settings, models_for(recordings, settings), directory), needs) as engine:
            for number, recording in enumerate(recordings):
                engine.submit(recording, str(number))
            progress(0, len(recordings))
            for done, outcome in enumerate(engine.outcomes(), 1):
                yield _taken(outcome, store, directory)
                progress(done, len(recordings))
        _show_defects(directory / _LOG)
    finally:
        remove(directory)


def _taken(outcome: Outcome, store: ClipStore, directory: Path) -> Receipt:
    """What became of a recording, which is in the corpus by now unless it failed."""
    recording: Recording = outcome.task
    if outcome.reason is not None:
        return failed(recording, Reason.NOT_MEASURED, outcome.reason)
    measured: Measured = outcome.result
    place = directory / measured.place
    receipt = measured.failure or store.take(ClipStore(place), recording.name)
    remove(place)
    if receipt["request"] != request_of(recording):
        raise ValueError(
            f"A clip is not what it was. Expected one that stays the same, and that all workers see alike. "
            f"Received: {recording.name}. Start the same command again."
        )
    return receipt


def _show_defects(log: Path) -> None:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if "Traceback" in text:
        warn(text)
