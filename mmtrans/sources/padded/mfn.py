"""Reader of the padded HDF5 arrays of the MFN and MCTN family: one dataset at the root of each file.

Two layouts. `X_{train,valid,test}.h5` holds `data (n, steps, 325)`, columns 0-299 text, 300-304 audio, 305-324 video,
with labels in `y_*.h5`; the vision columns were divided by their train maximum. The `new_data` folders hold `d1` in
`text_*_emb.h5`, `audio_*.h5`, `video_*.h5` and `y_*.h5`, where a split may lack a modality. A file's part and split
are in its name: nothing inside tells them. There are no ids, so every segment counts as a video of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np

from mmtrans.sources.account import Note, Noted, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.ids import split_name
from mmtrans.sources.modalities import modality_of
from mmtrans.sources.padded.arrays import open_padded
from mmtrans.sources.padded.folds import Fold
from mmtrans.sources.untrusted.hdf5 import DAMAGE, find_child, find_dataset, open_hdf5, read_values, refusal
from mmtrans.sources.untrusted.parent import read_isolated
from mmtrans.system.user_files import check_file
from tfrecords.schema import SPLITS

#: Names of the one dataset of a file.
DATASETS = ("data", "d1")

#: Columns of the joint matrix X; the published layout of MOSI's.
JOINT_COLUMNS = {"text": slice(0, 300), "audio": slice(300, 305), "video": slice(305, 325)}
JOINT_DIM = 325

#: Words of file names that tell other parts than modalities.
_PARTS = {"x": "joint", "y": "labels", "label": "labels", "labels": "labels"}
_SUFFIXES = (".h5", ".hdf5", ".hdf")
_LAYOUT = "one dataset, data or d1, at the root: (segments, steps, dim), or (segments, labels) in y_*.h5"


def is_mfn_file(path: Path) -> bool:
    """Tells whether an HDF5 file has a dataset `data` or `d1` at its root; `False` also for a damaged file."""
    for name in DATASETS:
        try:
            with open_hdf5(path) as file:
                find_child(file, name, h5py.Dataset)
            return True
        except ValueError:
            # Not this one, or damage: whoever opens the file in earnest says what is wrong with it.
            continue
    return False


def open_mfn(path: str | Path, *, label: str | int | None = None, isolated: bool = True) -> Corpus:
    """Opens a folder of these files, or one X file without labels; the arrays stay in memory.

    Args:
        path: the folder or file.
        label: 0-based index of the label column, where y has several (POM's 17, one-hot classes).
        isolated: whether files are read in a child process, which a damaged file may kill or hang.

    Returns:
        A corpus of format `mfn`; see `mmtrans.sources.padded.arrays` for lengths and cleaning.

    Raises:
        FileNotFoundError: there is nothing at `path`, or no such file in it.
        ValueError: a file is damaged or of another layout, two files are for one part, no such label column, or a
            damaged file that killed or hung its reader.
    """
    if isolated:
        return read_isolated(open_arrays, path, {"label": label})
    return open_arrays(path, label=label)


def open_arrays(path: str | Path, *, label: str | int | None) -> Corpus:
    """As `open_mfn` in this process."""
    path = Path(path)
    parts, notes = _find_parts(path)
    folds = []
    for split in (split for split in SPLITS if split in parts):
        files = {part: file for part, file in parts[split].items() if part != "labels"}
        if not files:
            notes.append(note(Noted.LABELS_ALONE_ASIDE, file=parts[split]["labels"].name, split=split))
            continue
        arrays: dict[str, np.ndarray] = {}
        for part, file in files.items():
            array = _read_array(file)
            if part != "joint":
                arrays[part] = array
                continue
            if array.shape[2] != JOINT_DIM or len(files) > 1:
                raise _layout(
                    file, f"X {array.shape} with {sorted(files)}", f"{JOINT_DIM} columns in X and nothing else"
                )
            arrays |= {name: array[:, :, columns] for name, columns in JOINT_COLUMNS.items()}
        labels = _read_labels(parts[split]["labels"]) if "labels" in parts[split] else None
        folds.append(Fold(split, arrays, labels))
    used = [file for split in parts.values() for file in split.values()]
    if not folds:
        raise _layout(path, f"files {[file.name for file in used][:6]}", "X, text, audio or video files")
    return open_padded("mfn", sorted(used), folds, label=label, notes=notes)


def _find_parts(path: Path) -> tuple[dict[str, dict[str, Path]], list[Note]]:
    """split → part → file."""
    if not path.is_dir():
        check_file(path, "source", "a folder of .h5 files")
    candidates = sorted(file for file in path.iterdir() if not file.is_dir()) if path.is_dir() else [path]
    parts: dict[str, dict[str, Path]] = {}
    notes = []
    for file in candidates:
        if file != path and file.suffix.lower() not in _SUFFIXES and not (file.is_file() and is_mfn_file(file)):
            continue
        words = [word for word in re.split(r"[^a-z0-9]+", file.stem.lower()) if word]
        split = next(filter(None, map(split_name, words)), None)
        part = next(filter(None, (_PARTS.get(word) or modality_of(word) for word in words)), None)
        if split is None or part is None:
            notes.append(note(Noted.NAMELESS_PART_ASIDE, file=file.name))
        elif part in parts.setdefault(split, {}):
            raise _layout(file, f"{parts[split][part].name} and {file.name}", f"one file of {part} for {split}")
        else:
            parts[split][part] = file
    if not parts:
        raise FileNotFoundError(
            f"There are no arrays. Expected X_train.h5, or text_train_emb.h5, audio_train.h5, … and y_train.h5. "
            f"Received: path={path}. {' '.join(note.words for note in notes) or 'Check the name.'}"
        )
    return parts, notes


def _read(path: Path) -> np.ndarray:
    with open_hdf5(path, layout=_LAYOUT) as file:
        try:
            name = next((name for name in DATASETS if name in file), DATASETS[0])
        except DAMAGE as error:
            raise refusal(path, "/", error, layout=_LAYOUT) from error
        array = read_values(find_dataset(file, name, layout=_LAYOUT), layout=_LAYOUT)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise _layout(path, f"{type(array).__name__} {getattr(array, 'dtype', '')}", "numbers")
    return array


def _read_array(path: Path) -> np.ndarray:
    array = _read(path)
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise _layout(path, f"{array.dtype}{array.shape}", "features (segments, steps, dim)")
    return array


def _read_labels(path: Path) -> np.ndarray:
    array = _read(path)
    if array.ndim == 0 or array.size == 0:
        raise _layout(path, f"{array.dtype}{array.shape}", "labels (segments,) or (segments, columns)")
    return array.reshape(len(array), -1).astype(np.float64)


def _layout(path: Path, received: str, expected: str) -> ValueError:
    return ValueError(
        f"The arrays are not laid out as MFN's are. Expected {expected}. Received: {received} ({path}). "
        f"Check the file or name its --format."
    )
