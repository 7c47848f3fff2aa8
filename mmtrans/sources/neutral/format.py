"""Our own plain format: how it is recognised and opened."""

from __future__ import annotations

from pathlib import Path

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.format import Format, SourceOptions
from mmtrans.sources.neutral.reader import open_neutral
from mmtrans.sources.neutral.table import TABLE
from mmtrans.sources.seen import Seen
from mmtrans.system.user_files import has_file


def _recognise(seen: Seen) -> bool:
    """Whether it is a table, or there is one with arrays; people keep a table alone beside other formats, too."""
    path = seen.path
    if not path.is_dir():
        return path.suffix.lower() == ".csv"
    if not has_file(path / TABLE, "table of segments"):
        return False
    has_arrays = any(path.glob("*.npz")) or (path / "segments").is_dir()
    return has_arrays or not (seen.roots or seen.pickles)


def _open(path: Path, options: SourceOptions, content: object) -> Corpus:
    return open_neutral(path, vectors_from=options.gives_vectors)


FORMAT = Format(
    name="neutral",
    needs="a folder with segments.csv and .npz files",
    takes=("glove", "text_encoder"),
    leaves_glove=True,
    recognise=_recognise,
    open=_open,
)
