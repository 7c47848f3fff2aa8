"""Tells the format of a file or folder by its content, and says what was seen where it cannot be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmtrans.sources.csd.files import find_csd_files, is_csd
from mmtrans.system.user_files import has_file, starts_with, what_is

FORMATS = ("csd", "misa", "mult", "mmsa", "multibench", "lmf", "mfn", "neutral")

_PICKLE_NAMES = ("train", "dev", "valid", "val", "test")
PICKLE_SUFFIXES = (".pkl", ".pickle", ".p")
NEEDS = (
    "csd needs a .csd file or a folder that holds them, "
    "misa a pickle file of lists of samples or a folder with train.pkl, dev.pkl and test.pkl, "
    "mult, mmsa, multibench and lmf a pickle file of train, valid and test that hold text, audio, vision (lmf: glove, "
    "covarep, facet) of shape (segments, steps, dim), "
    "mfn a folder of X_train.h5, or text_train_emb.h5 and so on, with a dataset data or d1, "
    "neutral a folder with segments.csv and .npz files"
)


def detect(path: Path) -> tuple[str, object]:
    """Tells the format of an existing file or folder by its content.

    Returns:
        The format, and what the file holds where it had to be unpickled to tell (it may be large), else `None`.
        `neutral` where there is a table of segments with .npz files. `csd` where there is an HDF5 file (or one named
        .csd), nested ones too, and `mfn` where that file has its arrays at the root. `misa` where there are pickle
        files named by fold, or a pickle of lists; for a pickle of arrays `mult`, `mmsa`, `multibench` or `lmf`, as its
        parts tell.

    Raises:
        ValueError: there is none of them, several of them, or a pickle that is damaged or holds something else.
    """
    if path.is_dir():
        # A table alone is no neutral corpus: people keep one beside other formats.
        has_table = has_file(path / "segments.csv", "table of segments")
        has_arrays = has_table and (any(path.glob("*.npz")) or (path / "segments").is_dir())
        found = (["neutral"] if has_arrays else []) + _tell_hdf5(path, find_csd_files(path))
        by_fold = any(
            has_file(path / (name + suffix), "pickle") for name in _PICKLE_NAMES for suffix in PICKLE_SUFFIXES
        )
        pickles = [] if by_fold else _pickles(path)
        found += ["misa"] if by_fold else ["a pickle format"] if pickles else []
        found = found or (["neutral"] if has_table else [])
    else:
        found = ["neutral"] if path.name == "segments.csv" else _tell_hdf5(path, [path] if is_csd(path) else [])
        pickles = [path] if not found and _is_pickle(path) else []
        found += ["a pickle format"] if pickles else []
    if len(found) > 1:
        raise ValueError(
            f"The source holds files of several formats ({' and '.join(found)}). Expected one format. "
            f"Received: {path}. Choose with --format {' or --format '.join(f for f in found if f in FORMATS)}."
        )
    if pickles:
        return _tell_pickle(only_pickle(path))
    if found:
        return found[0], None
    raise ValueError(f"The source has no known format. Expected: {NEEDS}. Received: {path}, {_describe(path)}.")


def _tell_hdf5(path: Path, files: Sequence[Path]) -> list[str]:
    if not files:
        return []
    # Imported when needed: pickles do without.
    from mmtrans.sources.untrusted.parent import call_isolated

    return call_isolated(hdf5_formats, path, {"files": [str(file) for file in files]})


def hdf5_formats(path: str, files: Sequence[str]) -> list[str]:
    """Tells whether HDF5 files are `csd`, `mfn` or both; to be called in a child process, which they may kill.

    Raises:
        ValueError: a file that cannot be opened, or a lone file that is neither.
    """
    from mmtrans.sources.padded.mfn import describe_root, is_mfn_file
    from mmtrans.sources.untrusted.hdf5 import open_hdf5

    files = [Path(file) for file in files]
    for file in files:
        # Damage tells no format: it is named here, and not taken for a file of the other one.
        open_hdf5(file).close()
    formats = sorted({"mfn" if is_mfn_file(file) else "csd" for file in files})
    seen = [describe_root(file) for file in files] if formats == ["csd"] and len(files) == 1 else [None]
    if seen[0] is not None:
        raise ValueError(
            f"The HDF5 file has no known format. Expected: {NEEDS}. Received: {files[0]}, "
            f"a file with {seen[0] or 'nothing'} at its root. Check the file, or write its data in the neutral format."
        )
    return formats


def _tell_pickle(path: Path) -> tuple[str, object]:
    from mmtrans.sources.padded.split_pickles import classify
    from mmtrans.sources.untrusted.unpickle import load_pickle

    content = load_pickle(path)
    found = classify(content)
    if found is not None:
        return found, content
    rows = list(content.values()) if isinstance(content, Mapping) else [content]
    if all(isinstance(row, (list, tuple)) for row in rows):
        return "misa", None
    raise ValueError(
        f"The pickle has no known format. Expected: {NEEDS}. Received: {path}, {describe_content(content)}. "
        f"Check the file, or write its data in the neutral format."
    )


def describe_content(content: object, *, depth: int = 2) -> str:
    """Says what an unpickled object is: type, shape, and the keys of mappings down to `depth` levels."""
    if isinstance(content, np.ndarray):
        return f"{content.dtype}{content.shape}"
    if isinstance(content, Mapping):
        inside = [
            f"{key!r:.30}" + (f": {describe_content(value, depth=depth - 1)}" if depth else "")
            for key, value in list(content.items())[:6]
        ]
        return "{" + ", ".join(inside) + (f" and {len(content) - 6} more" if len(content) > 6 else "") + "}"
    size = f" of {len(content)}" if isinstance(content, (list, tuple, set, frozenset, str, bytes)) else ""
    return type(content).__name__ + size


def _pickles(path: Path) -> list[Path]:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICKLE_SUFFIXES and not file.is_dir())
    return [file for file in files if not file.name.startswith(".") and has_file(file, "pickle")]


def only_pickle(path: Path) -> Path:
    """The file itself, or the one pickle of the folder.

    Raises:
        ValueError: the folder holds none or several.
    """
    if path.is_file():
        return path
    files = _pickles(path)
    if len(files) != 1:
        raise ValueError(
            f"The folder must hold one pickle. Expected one. Received: {[file.name for file in files][:6]} ({path}). "
            f"Give the path of the file."
        )
    return files[0]


def _describe(path: Path) -> str:
    if not path.is_dir():
        kind = what_is(path)
        if kind is not None:
            return f"{kind.name}. {kind.remedy}"
        with path.open("rb") as file:
            return f"a file that starts with {file.read(8)!r}"
    names = sorted(entry.name for entry in path.iterdir())
    if not names:
        return "an empty folder"
    return f"a folder with {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _is_pickle(path: Path) -> bool:
    return path.suffix.lower() in PICKLE_SUFFIXES or starts_with(path, b"\x80")
