"""Conversion in parts: an engine's workers read and prepare units of a corpus, and this process takes them in order.

No more parts are at work, or wait for their turn, than a few for each worker: files and memory stay as they are however
long the corpus is.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmtrans import __version__
from mmtrans.conversion.convert import Prepare, prepare_here
from mmtrans.conversion.part_file import read_part
from mmtrans.conversion.part_work import Part, PartWork, Written, fingerprint_of, log_of
from mmtrans.conversion.prepare import Preparation, Prepared
from mmtrans.engine.engine import Engine, Outcome
from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions, Needs
from mmtrans.sources.corpus import Corpus
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.console import warn
from tfrecords.directories import partial_path, remove

#: Videos in a part at most: a part takes some tenths of a second, and the engine some hundredths for each.
MOST_UNITS = 8

#: Parts for each worker at least, so that none waits long for the last ones.
_PARTS_PER_WORKER = 4

#: Parts of each worker that are at work or done before it is their turn.
_AHEAD = 3

#: Bytes that a worker and its child take; with an encoder of words TensorFlow's and the encoder's besides.
_MEMORY, _MEMORY_OF_ENCODER = 256 << 20, 1 << 30


def way_to_prepare(corpus: Corpus, options: EngineOptions) -> Prepare:
    """In this process or in others, as the options say; a corpus that does not come in units is read here."""
    if options.is_here:
        return prepare_here
    if corpus.opening is None:
        warn(f"Note: the {corpus.format} format is read in one go, by this process.")
        return prepare_here
    return InParts(options)


@dataclass(frozen=True)
class InParts:
    """A way to prepare the segments of a corpus that comes in units; see `mmtrans.conversion.convert.Prepare`.

    Attributes:
        options: where the parts are read and prepared.
        most_units: units in a part at most.
    """

    options: EngineOptions
    most_units: int = MOST_UNITS

    def __call__(self, corpus: Corpus, preparation: Preparation, records_dir: Path) -> Generator[Prepared, None, None]:
        """Yields the segments.

        Raises:
            ValueError: a part cannot be read; a worker lacks what it needs.
            SystemRefusalError: the operating system refused something to a worker.
        """
        if corpus.opening is None:
            raise TypeError("a corpus that no other process can open")
        corpus.account.clear()
        directory = partial_path(Path(os.path.realpath(records_dir)))
        directory.mkdir()
        try:
            work = PartWork(corpus.opening, fingerprint_of(corpus), preparation, directory)
            with opened(self.options, work, _needs(corpus, directory)) as engine:
                for written in self._in_order(engine, corpus.num_units, directory):
                    path = directory / written.name
                    yield from read_part(path, written.segments)
                    if written.refusal is not None:
                        raise ValueError(written.refusal)
                    path.unlink()
                    corpus.account.add(written.account)
                    corpus.trouble.extend(line for line in written.trouble if line not in corpus.trouble)
        finally:
            remove(directory)

    def _in_order(self, engine: Engine, num_units: int, directory: Path) -> Iterator[Written]:
        size = min(self.most_units, ceil_div(num_units, _PARTS_PER_WORKER * max(engine.slots, 1)))
        parts = [Part(first, min(first + size, num_units)) for first in range(0, num_units, size)]
        ended: dict[Part, Outcome] = {}
        begun = 0
        for turn, part in enumerate(parts):
            stop = min(turn + _AHEAD * max(engine.slots, 1), len(parts))
            for index in range(begun, stop):
                engine.submit(parts[index], str(index), priority=-index)
            begun = max(begun, stop)
            while part not in ended:
                outcome = next(engine.outcomes())
                ended[outcome.task] = outcome
            yield _written(ended.pop(part), directory)


def _written(outcome: Outcome, directory: Path) -> Written:
    """A part that is done.

    Raises:
        ValueError: it could not be begun, or its workers have died.
    """
    if outcome.reason is not None:
        log = log_of(directory)
        if "Traceback" in log:
            warn(log)
        raise ValueError(outcome.reason)
    return outcome.result


def _needs(corpus: Corpus, directory: Path) -> Needs:
    versions = {"mmtrans": __version__, "numpy": np.__version__}
    memory = _MEMORY if corpus.text is None else _MEMORY_OF_ENCODER
    return Needs(versions, directories=(directory,), memory=memory)
