"""Finds out what files are: the format of a source, the role of each computational sequence in it, its label column."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmtrans.sources.corpus import Corpus, LabelScale
from mmtrans.sources.ids import split_name
from tfrecords.schema import SPLITS

FORMATS = ("csd", "misa", "mult", "mmsa", "multibench", "lmf", "mfn", "neutral")

#: Pickles that map split → part → array; one reader has them all.
SPLIT_PICKLES = ("mult", "mmsa", "multibench", "lmf")

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

#: Parts of root and file names, without case and punctuation, by the role they tell; looked up in this order.
ROLE_NAMES = {
    "phones": ("phone",),
    "labels": ("label", "opinion"),
    "text": ("glove", "wordvector", "word2vec", "bert"),
    "audio": ("covarep", "coavarep", "opensmile", "acoustic", "audio"),
    "video": ("facet", "openface", "facial", "visual", "video"),
}

#: Dimensions of the published sequences, for files whose names tell nothing.
ROLE_DIMS = {300: "text", 74: "audio", 43: "audio", 47: "video", 35: "video", 713: "video"}

#: The columns of MOSEI's label file, which does not always name them.
MOSEI_LABELS = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")

MOSI_SCALE = LabelScale("sentiment", -3.0, 3.0, 0.0)

_PICKLE_NAMES = ("train", "dev", "valid", "val", "test")
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".p")
_NEEDS = (
    "csd needs a .csd file or a folder that holds them, "
    "misa a pickle file of lists of samples or a folder with train.pkl, dev.pkl and test.pkl, "
    "mult, mmsa, multibench and lmf a pickle file of train, valid and test that hold text, audio, vision (lmf: glove, "
    "covarep, facet) of shape (segments, steps, dim), "
    "mfn a folder of X_train.h5, or text_train_emb.h5 and so on, with a dataset data or d1, "
    "neutral a folder with segments.csv and .npz files"
)


def open_corpus(
    path: str | Path,
    *,
    format: str = "auto",
    glove: str | Path | None = None,
    label: str | int | None = None,
    label_shift: float = 0.0,
    select: str | None = None,
) -> Corpus:
    """Opens a file or folder in any known format.

    Args:
        path: what to read.
        format: one of `FORMATS`, or `auto` to decide by content.
        glove: a GloVe text file that gives the words their vectors; `csd` and `misa` only, the others have vectors.
        label: name or index of the label column, where there are several (`csd`, `mfn`; `mmsa` has `T`, `A`, `V`).
        label_shift: seconds added to the label intervals; only `csd` has intervals.
        select: `mctn` keeps the 5 COVAREP and 20 FACET columns of MFN and MCTN; see `mmtrans.sources.select`.

    Returns:
        The corpus; its `read()` yields the segments.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the format is unknown or cannot be told, an option does not fit it, or the files are damaged.
    """
    path = Path(path)
    if format not in ("auto", *FORMATS):
        raise ValueError(
            f"Unknown source format. Expected one of {['auto', *FORMATS]}. Received: format={format!r}. {_NEEDS}."
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no source at {path}. Give the path of a corpus file or folder.")
    content = None
    if format == "auto":
        format, content = _detect(path)
    _check_options(path, format, label, label_shift)
    corpus = _open(path, format, content, {"glove": glove, "label": label, "label_shift": label_shift})
    if glove is not None and format not in ("csd", "misa"):
        corpus.notes.append(f"{glove} is not used: the {format} format has its own vectors.")
    if select is None:
        return corpus
    from mmtrans.sources.select import select_columns

    return select_columns(corpus, select)


def _open(path: Path, format: str, content: object, options: Mapping[str, object]) -> Corpus:
    # Imported when needed: the readers import this module.
    if format == "csd":
        from mmtrans.sources.csd import open_csd

        return open_csd(path, **options)
    if format == "misa":
        from mmtrans.sources.misa import open_misa

        return open_misa(path, glove=options["glove"])
    if format == "mfn":
        from mmtrans.sources.mfn import open_mfn

        return open_mfn(path, label=options["label"])
    if format == "neutral":
        from mmtrans.sources.neutral import open_neutral

        return open_neutral(path)
    from mmtrans.sources.split_pickles import open_split_pickle

    return open_split_pickle(_only_pickle(path), format=format, content=content, label=options["label"])


def _check_options(path: Path, format: str, label: str | int | None, label_shift: float) -> None:
    one_label = format in ("misa", "neutral")
    if (label is not None and one_label) or (label_shift and format != "csd"):
        raise ValueError(
            f"The {format} format has {'one label and ' if one_label else ''}no label times. "
            f"Expected {'neither a label nor a' if one_label else 'no'} label shift. "
            f"Received: label={label!r}, label_shift={label_shift} ({path}). Leave {'them' if one_label else 'it'} out."
        )


def detect_format(path: Path) -> str:
    """Tells the format of an existing file or folder by its content.

    Returns:
        `neutral` where there is a table of segments. `csd` where there is an HDF5 file (or one named .csd), nested ones
        too, and `mfn` where that file has its arrays at the root. `misa` where there are pickle files named by fold, or
        a pickle of lists; for a pickle of arrays the one of `SPLIT_PICKLES` that its parts tell.

    Raises:
        ValueError: there is none of them, several of them, or a pickle that is damaged or holds something else.
    """
    return _detect(Path(path))[0]


def _detect(path: Path) -> tuple[str, object]:
    """The format, and what the file holds where it had to be unpickled to tell: it may be large."""
    if path.is_dir():
        found = ["neutral"] if (path / "segments.csv").is_file() else []
        found += _hdf5_formats(find_csd_files(path))
        by_fold = any((path / (name + suffix)).is_file() for name in _PICKLE_NAMES for suffix in _PICKLE_SUFFIXES)
        pickles = [] if by_fold else _pickles(path)
        found += ["misa"] if by_fold else ["a pickle format"] if pickles else []
    else:
        found = ["neutral"] if path.name == "segments.csv" else _hdf5_formats([path] if _is_csd(path) else [])
        pickles = [path] if not found and _is_pickle(path) else []
        found += ["a pickle format"] if pickles else []
    if len(found) > 1:
        raise ValueError(
            f"The source holds files of several formats ({' and '.join(found)}). Expected one format. "
            f"Received: {path}. Choose with --format {' or --format '.join(f for f in found if f in FORMATS)}."
        )
    if pickles:
        return _tell_pickle(_only_pickle(path))
    if found:
        return found[0], None
    raise ValueError(f"The source has no known format. Expected: {_NEEDS}. Received: {path}, {_describe(path)}.")


def _hdf5_formats(files: Sequence[Path]) -> list[str]:
    if not files:
        return []
    from mmtrans.sources.mfn import is_mfn_file

    return sorted({"mfn" if is_mfn_file(file) else "csd" for file in files})


def _tell_pickle(path: Path) -> tuple[str, object]:
    from mmtrans.sources.split_pickles import classify
    from mmtrans.sources.unpickle import load_pickle

    content = load_pickle(path)
    found = classify(content)
    if found is not None:
        return found, content
    rows = list(content.values()) if isinstance(content, Mapping) else [content]
    if all(isinstance(row, (list, tuple)) for row in rows):
        return "misa", None
    raise ValueError(
        f"The pickle has no known format. Expected: {_NEEDS}. Received: {path}, {describe_content(content)}. "
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
    files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in _PICKLE_SUFFIXES)
    return [file for file in files if not file.name.startswith(".")]


def _only_pickle(path: Path) -> Path:
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
        with path.open("rb") as file:
            return f"a file that starts with {file.read(8)!r}"
    names = sorted(entry.name for entry in path.iterdir())
    if not names:
        return "an empty folder"
    return f"a folder with {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def find_csd_files(path: Path) -> list[Path]:
    """Lists the computational sequences at `path`, sorted: the file itself, or all within the folder.

    They are the files with the HDF5 signature, and those named .csd even without it, so that a truncated download is
    reported instead of overlooked. Hidden files and folders are left aside.
    """
    if not path.is_dir():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file() and _is_csd(file))
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _is_csd(path: Path) -> bool:
    return path.suffix.lower() == ".csd" or _starts_with(path, HDF5_SIGNATURE)


def _is_pickle(path: Path) -> bool:
    return path.suffix.lower() in _PICKLE_SUFFIXES or _starts_with(path, b"\x80")


def _starts_with(path: Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


def role_of(root: str, stem: str, *, holds_text: bool, dim: int) -> str | None:
    """Tells the role of a computational sequence from its names and content.

    Args:
        root: the sequence's root name; it decides before the file's name does.
        stem: the file's name without its suffix.
        holds_text: whether the features are strings.
        dim: numbers per row.

    Returns:
        `words`, `phones`, `labels`, `text`, `audio` or `video`, or `None` where nothing tells.
    """
    roles = [role for role in (_role_of_name(root), _role_of_name(stem)) if role]
    if holds_text:
        return "phones" if "phones" in roles else "words"
    return roles[0] if roles else ROLE_DIMS.get(dim)


def _role_of_name(name: str) -> str | None:
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((role for role, parts in ROLE_NAMES.items() if any(part in letters for part in parts)), None)


def choose_label(names: Sequence[str], dim: int, label: str | int | None, path: Path) -> tuple[int, str]:
    """Chooses the label column.

    Args:
        names: the columns' names, or none where the file does not tell.
        dim: how many columns there are.
        label: name or 0-based index (a number in digits too), or `None` for the only column, or MOSEI's first.
        path: the file, for messages.

    Returns:
        Index and name; the name is `sentiment` for the only column of a file without names and for any column whose
        name contains the word, as in the official files ("sentiment score").

    Raises:
        ValueError: no such column, or several and no choice.
    """
    if not names:
        names = MOSEI_LABELS if dim == len(MOSEI_LABELS) else ["sentiment"] if dim == 1 else map(str, range(dim))
    names = ["sentiment" if "sentiment" in name.lower() else name for name in names]
    if label is None and (dim == 1 or dim == len(MOSEI_LABELS)):
        return 0, names[0]
    if str(label) in names:
        return names.index(str(label)), str(label)
    if str(label).isdecimal() and int(label) < dim:
        return int(label), names[int(label)]
    raise ValueError(
        f"There is no such label column. Expected one of {names} or an index below {dim}. "
        f"Received: label={label!r} ({path}). Choose one with --label."
    )


def scale_of(name: str, values: np.ndarray) -> LabelScale:
    """Tells the scale of a label from its finite values `(n,)`.

    Returns:
        MOSI's scale for a sentiment within [-3, 3]; else the observed range, with its middle as the neutral point.
    """
    if name == "sentiment" and (abs(values) <= MOSI_SCALE.high).all():
        return MOSI_SCALE
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    return LabelScale(name, low, high, (low + high) / 2)


def read_folds(path: Path) -> dict[str, tuple[str, ...]]:
    """Reads `folds.json`: `{"train": [video ids], "valid": […], "test": […]}`, where `dev` and `val` mean `valid`.

    Raises:
        ValueError: not JSON of this form, or a video stands in two folds.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The folds are not JSON. Received: {path} ({error}). Correct or remove the file.") from error
    folds = {split_name(name) or name: videos for name, videos in content.items()} if isinstance(content, dict) else {}
    lists = all(isinstance(videos, list) and all(isinstance(v, str) for v in videos) for videos in folds.values())
    if not folds or not lists or set(folds) - set(SPLITS) or len(folds) != len(content):
        raise ValueError(
            f"The folds must be lists of video ids under {list(SPLITS)}. Received: {path}. Correct or remove the file."
        )
    videos = [video for ids in folds.values() for video in set(ids)]
    twice = sorted({video for video, count in Counter(videos).items() if count > 1})
    if twice:
        raise ValueError(f"Folds must not share videos. Received: {twice[:5]} ({path}). Keep each video in one fold.")
    return {name: tuple(videos) for name, videos in folds.items()}
