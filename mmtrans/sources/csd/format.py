"""The format of CMU computational sequences: how it is recognised and opened."""

from __future__ import annotations

from pathlib import Path

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.format import Format, SourceOptions
from mmtrans.sources.seen import Seen


def _recognise(seen: Seen) -> bool:
    """Whether some HDF5 file begins with a group, which holds a sequence; or with damage, which its reader names."""
    return any(root and next(iter(root.values())) is None for root in seen.roots.values())


def _open(path: Path, options: SourceOptions, content: object) -> Corpus:
    # Imported when needed: other formats do without HDF5.
    from mmtrans.sources.csd.reader import open_csd

    own = {name: getattr(options, name) for name in ("label", "label_shift", "compat", "window")}
    glove = None if options.text_encoder is not None else options.glove
    return open_csd(path, glove=glove, vectors_from=options.gives_vectors, **own)


FORMAT = Format(
    name="csd",
    needs="a .csd file or a folder that holds them",
    takes=("glove", "text_encoder", "label", "label_shift", "compat", "window"),
    recognise=_recognise,
    open=_open,
)
