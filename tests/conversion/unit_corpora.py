"""Corpora in units that other processes can open, and whose reading may fail; they need no files but their own."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

from mmtrans.sources.account import WORDS, Cleaned, DropReason
from tests.tfrecords.segments import make_corpus, make_segment

#: Units, each a video of as many segments as its number tells.
UNITS = 11


@dataclass(frozen=True)
class Units:
    """Opens a corpus; an instance is also its `opening`.

    Args:
        folder: where a fault notes that it has struck.
        fault: what happens at the second segment of the unit `at`.
        at: number of a unit.
        columns: columns of the audio of unit 8.
    """

    folder: Path
    fault: str = ""
    at: int = -1
    columns: int = 2

    def __call__(self):
        def read_units(first, stop):
            corpus.account.clear()
            for unit in range(first, stop):
                corpus.account.count(Cleaned.PAUSES, WORDS)
                corpus.account.count_different(Cleaned.DIFFERENT_WORDS_WITHOUT_VECTOR, "text", [f"{unit % 3}", "a"])
                if unit % 4 == 3:
                    corpus.account.drop(f"v{unit}[9]", DropReason.NO_WORD_INSIDE)
                    continue
                yield from self.segments(unit)

        videos = [f"v{unit:02d}" for unit in range(UNITS)]
        corpus = make_corpus([], folds={"train": videos[:6], "valid": videos[6:8], "test": videos[8:10]})
        corpus = replace(
            corpus,
            files=[self.folder / "file"],
            video_ids=videos,
            read=lambda: read_units(0, UNITS),
            num_units=UNITS,
            read_units=read_units,
            opening=self,
        )
        return corpus

    def segments(self, unit):
        """The second of a unit has the id that those of up to three units have."""
        for index in range(1 + unit % 4):
            if unit == self.at and index == 1:
                self.strike()
            video = f"v{unit // 3 * 3:02d}" if index == 1 else f"v{unit:02d}"
            segment = make_segment(index, 2 + unit, video=video, label=unit - 4.0, seed=unit)
            if unit == 8:
                audio = segment.features["audio"][:, :1].repeat(self.columns, axis=1)
                segment = replace(segment, features={**segment.features, "audio": audio})
            yield segment

    def strike(self):
        struck = self.folder / "struck"
        if self.fault == "refuse":
            raise ValueError("The values  are bad. Received: x.")
        if self.fault == "bug":
            raise KeyError("a defect of the reader")
        if self.fault in ("kill", "stop", "sleep") and not struck.exists():
            struck.write_text(str(os.getpid()))
            if self.fault == "sleep":
                time.sleep(5)
            else:
                os.kill(os.getpid(), signal.SIGKILL if self.fault == "kill" else signal.SIGSTOP)
