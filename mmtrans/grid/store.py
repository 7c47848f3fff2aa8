"""The phase store of a grid: every finished phase once, by its key; runs are put together from it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mmtrans.runs.phase_file import read_phase_file
from mmtrans.runs.phases import Phase
from mmtrans.runs.run import Run
from mmtrans.runs.status import is_done, weights_hash
from mmtrans.system.files import link_tree, replaced_directory

_LOGS = "logs"

#: What TensorBoard knows files of events by, and what stands for it in the store: there nothing is to be shown, since
#: the runs have each phase under a name for people.
_SHOWN, _HIDDEN = ".tfevents.", ".kept."


@dataclass(frozen=True)
class Store:
    """Finished phases.

    Attributes:
        path: a directory for each phase, named by the first 16 digits of its key: `phase.json`, `best/`, for tokens
            `codebook.npz`, and in `logs/` the TensorBoard events.
    """

    path: Path

    def directory(self, phase: Phase) -> Path:
        """Where a phase is, or would be."""
        return self.path / phase.key[:16]

    def holds(self, phase: Phase, epochs: int) -> bool:
        """Whether a phase is there, trained on its parent's present weights, and more `epochs` would not change it."""
        inherited = None
        if phase.parent is not None:
            if not self.holds(phase.parent, epochs):
                return False
            inherited = weights_hash(self.directory(phase.parent) / "best" / "weights.npz")
        return is_done(read_phase_file(self.directory(phase)), phase, inherited, epochs)

    def put(self, phase: Phase, run: Run) -> None:
        """Takes over a finished phase of a run, in place of an older one."""
        target = self.directory(phase)
        with replaced_directory(target) as partial:
            link_tree(run.phase_dir(phase), partial, without="checkpoints")
            link_tree(_logs_dir(run, phase), partial / _LOGS)
            _rename_events(partial / _LOGS, _SHOWN, _HIDDEN)

    def place(self, phase: Phase, run: Run) -> None:
        """Gives a run a phase of the store, in place of what the run has of it."""
        for directory in (run.phase_dir(phase), _logs_dir(run, phase)):
            shutil.rmtree(directory, ignore_errors=True)
        link_tree(self.directory(phase), run.phase_dir(phase), without=_LOGS)
        link_tree(self.directory(phase) / _LOGS, _logs_dir(run, phase))
        _rename_events(_logs_dir(run, phase), _HIDDEN, _SHOWN)

    def is_placed(self, phase: Phase, run: Run) -> bool:
        """Whether a run has the phase of the store, and not an older one."""
        return read_phase_file(run.phase_dir(phase)) == read_phase_file(self.directory(phase))


def _rename_events(directory: Path, old: str, new: str) -> None:
    for path in directory.rglob(f"*{old}*"):
        path.rename(path.with_name(path.name.replace(old, new)))


def _logs_dir(run: Run, phase: Phase) -> Path:
    return run.path / "logs" / phase.name
