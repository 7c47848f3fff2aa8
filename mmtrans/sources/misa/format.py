"""The format of MISA's and MAG's pickles: how it is recognised and opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.format import Format, SourceOptions
from mmtrans.sources.misa.reader import open_misa
from mmtrans.sources.seen import Seen


def _recognise(seen: Seen) -> bool:
    """Whether pickles are named by fold, or the one pickle holds lists."""
    if seen.by_fold or seen.content is None:
        return seen.by_fold
    rows = seen.content.values() if isinstance(seen.content, Mapping) else [seen.content]
    return all(isinstance(row, (list, tuple)) for row in rows)


def _open(path: Path, options: SourceOptions, content: object) -> Corpus:
    glove = None if options.text_encoder is not None else options.glove
    return open_misa(path, glove=glove, vectors_from=options.gives_vectors, label=options.label, content=content)


FORMAT = Format(
    name="misa",
    needs="a pickle file of lists of samples or a folder with train.pkl, dev.pkl and test.pkl",
    takes=("glove", "text_encoder", "label"),
    recognise=_recognise,
    open=_open,
)
