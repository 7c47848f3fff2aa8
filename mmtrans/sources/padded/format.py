"""The formats of padded arrays, four of pickles and one of HDF5 files: how they are recognised and opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.format import Format, SourceOptions
from mmtrans.sources.listing import only_pickle
from mmtrans.sources.padded.split_pickles import classify, open_split_pickle
from mmtrans.sources.seen import Seen

_PICKLE = (
    "a pickle file of train, valid and test that hold text, audio, vision (lmf: glove, covarep, facet) of shape "
    "(segments, steps, dim)"
)


def _is_pickle(name: str, seen: Seen) -> bool:
    return classify(seen.content) == name


def _open_pickle(name: str, path: Path, options: SourceOptions, content: object) -> Corpus:
    vectors_from = None if options.text_encoder is None else options.gives_vectors
    return open_split_pickle(
        only_pickle(path), format=name, content=content, vectors_from=vectors_from, label=options.label
    )


def _is_mfn(seen: Seen) -> bool:
    if not seen.roots:
        return False
    # Imported when needed: other formats do without HDF5.
    from mmtrans.sources.padded.mfn import DATASETS

    return any(root.get(name) is not None for root in seen.roots.values() for name in DATASETS)


def _open_mfn(path: Path, options: SourceOptions, content: object) -> Corpus:
    # Imported when needed: other formats do without HDF5.
    from mmtrans.sources.padded.mfn import open_mfn

    return open_mfn(path, label=options.label)


PICKLES = tuple(
    Format(
        name=name,
        needs=_PICKLE,
        # Of these only MMSA's files hold words.
        takes=("label", "text_encoder") if name == "mmsa" else ("label",),
        recognise=partial(_is_pickle, name),
        open=partial(_open_pickle, name),
    )
    for name in ("mult", "mmsa", "multibench", "lmf")
)

MFN = Format(
    name="mfn",
    needs="a folder of X_train.h5, or text_train_emb.h5 and so on, with a dataset data or d1",
    takes=("label",),
    recognise=_is_mfn,
    open=_open_mfn,
)
