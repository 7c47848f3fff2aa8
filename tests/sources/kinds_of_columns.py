"""Kinds of columns: another width in few segments, other names, rows of their own, and numbers that are no vectors."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

from mmtrans.sources.account import Noted
from tests.sources.format_files import d1, dump, truth
from tests.sources.kinds import AUDIO, PICKLES, WRITE, Kinds, Row, pickled, text_of

OTHER_COLUMNS = "audio: segments with other columns than most, taken as without it"


#: What readers note of parts, arrays and files whose names or columns tell nothing.
UNUSED = (
    Noted.PARTS_NOT_USED,
    Noted.ARRAYS_NOT_USED,
    Noted.NAMELESS_MODALITY,
    Noted.NAMELESS_PART_ASIDE,
    Noted.UNKNOWN_COLUMNS_ASIDE,
)


def _segments(narrow: str) -> list:
    """The common corpus, in which one segment has audio of fewer columns."""
    segments = truth()
    for segment in segments:
        if segment.id == narrow:
            segment.raw["audio"] = segment.raw["audio"][:, :3]
    return segments


def _lacks_audio(narrow: tuple[str, ...], count: str) -> Callable:
    def check(corpus, segments) -> None:
        assert {id for id, segment in segments.items() if "audio" not in segment.features} == set(narrow)
        assert {segment.features["audio"].shape[1] for id, segment in segments.items() if id not in narrow} == {5}
        assert corpus.cleaning[count] == len(narrow)
        assert corpus.dropped == []

    return check


FIRST = "a_-1[0]"
TRAIN = ("a_-1[0]", "a_-1[2]", "-b_5[0]")
TEST_ROWS = {"multibench": ("d$_[3]", "e[0]"), "mult": ("d$_[3]", "e[0]"), "mmsa": ("d$_[3]", "e[0]")}
TEST_ROWS["lmf"] = TEST_ROWS["mfn"] = ("test_0[0]", "test_1[0]")


def _narrow_split(format: str) -> Row:
    """Whole splits have one width in these formats; that of test differs."""
    narrow = TEST_ROWS[format]

    def write(folder: Path) -> Path:
        path = WRITE[format](folder)
        content = pickle.loads(path.read_bytes())
        test = next(split for split in content if text_of(split) == "test")
        part = next(key for key in content[test] if text_of(key) == AUDIO[format])
        content[test][part] = content[test][part][..., :3]
        return dump(path, content, 4)

    return Row(write, check=_lacks_audio(narrow, OTHER_COLUMNS))


def _d1_narrow(folder: Path) -> Path:
    d1(folder)
    with h5py.File(folder / "audio_test.h5", "r+") as file:
        values = file["d1"][()]
        del file["d1"]
        file["d1"] = values[:, :, :3]
    return folder


def _row_by_row(format: str) -> Row:
    """Audio as a list of matrices, the first of other columns and the second without padding."""

    def change(parts: dict) -> None:
        rows = [np.array(row) for row in parts[AUDIO[format]]]
        parts[AUDIO[format]] = [rows[0][..., :3] if k == 0 and len(rows) > 2 else row for k, row in enumerate(rows)]

    narrow = "train_0[0]" if format == "lmf" else FIRST
    return Row(pickled(format, change), check=_lacks_audio((narrow,), OTHER_COLUMNS))


def _object_rows(format: str) -> Row:
    """An object array of equal matrices where an array of numbers is read."""

    def change(parts: dict) -> None:
        parts[AUDIO[format]] = _objects(parts[AUDIO[format]])

    return Row(pickled(format, change), check=_all_modalities)


def _steps_listed(format: str) -> Callable[[dict], None]:
    """Audio as an array of objects, each a segment's list of vectors."""

    def change(parts: dict) -> None:
        parts[AUDIO[format]] = _objects([list(row) for row in parts[AUDIO[format]]])

    return change


def _objects(rows: Sequence) -> np.ndarray:
    array = np.empty(len(rows), object)
    array[:] = rows if isinstance(rows, list) else list(rows)
    return array


def _misa_steps(change: Callable[[np.ndarray], object]) -> Callable[[Path], Path]:
    """A writer of MISA's pickle in which each segment's text, video and audio undergo `change`."""

    def write(folder: Path) -> Path:
        path = WRITE["misa"](folder)
        content = pickle.loads(path.read_bytes())
        for split, samples in content.items():
            content[split] = [((*map(change, arrays), words), *of) for (*arrays, words), *of in samples]
        return dump(path, content, 4)

    return write


def _ragged(modality: str) -> Callable[[np.ndarray], object]:
    """A segment's steps one by one, the last with fewer numbers, where they are those of a modality of the first."""
    first = truth()[0].raw[modality]

    def change(steps: np.ndarray) -> object:
        return [*steps[:-1], steps[-1][:2]] if np.array_equal(steps, first, equal_nan=True) else steps

    return change


def _lacks(modality: str) -> Callable:
    def check(corpus, segments) -> None:
        assert [id for id, segment in segments.items() if modality not in segment.features] == [FIRST]
        assert set(segments[FIRST].features) == {"text", "audio", "video"} - {modality}
        assert corpus.cleaning[f"{modality}: segments with other columns than most, taken as without it"] == 1
        assert corpus.dropped == []

    return check


def _ragged_row(format: str) -> Row:
    """Audio as a list, in which a step of the first segment has fewer numbers."""

    def change(parts: dict) -> None:
        rows = [np.atleast_2d(row) for row in parts[AUDIO[format]]]
        if len(rows) > 2:
            rows[0] = [rows[0][0][:3], *rows[0], rows[0][-1]]
        parts[AUDIO[format]] = rows

    narrow = "train_0[0]" if format == "lmf" else FIRST
    return Row(pickled(format, change), check=_lacks_audio((narrow,), OTHER_COLUMNS))


def _all_modalities(corpus, segments) -> None:
    assert len(segments) == 7
    has = [set(segment.features) for segment in segments.values()]
    assert has.count({"text", "audio", "video"}) == 6
    assert has.count({"text", "audio"}) == 1
    widths = {name: array.shape[1] for s in segments.values() for name, array in s.features.items()}
    assert widths == {"text": 300, "audio": 5, "video": 20}
    assert not [note for note in corpus.noted if note.what in UNUSED and "annotations" not in note.words]


OTHER_NAMES = {"text": "language", "glove": "linguistic", "audio": "acoustic", "covarep": "speech"}
OTHER_NAMES |= {"vision": "visual", "facet": "face_features"}
VERSIONS = {"text": "glove_6B", "glove": "glove.840B.300d", "audio": "openSMILE_3.0", "covarep": "COVAREP_v1.4.2"}
VERSIONS |= {"vision": "OpenFace_2", "facet": "FACET_4.1"}


def _renamed(format: str, names: dict[str, str]) -> Row:
    def change(parts: dict) -> None:
        for key in list(parts):
            if key in names:
                parts[names[key]] = parts.pop(key)

    return Row(pickled(format, change), check=_all_modalities)


def _renamed_files(format: str, names: dict[str, str]) -> Row:
    def write(folder: Path) -> Path:
        path = WRITE[format](folder)
        for old, new in names.items():
            (folder / old).rename(folder / new)
        return path

    return Row(write, check=_all_modalities)


def _d1_renamed(*names: str) -> Row:
    def write(folder: Path) -> Path:
        d1(folder)
        for path in sorted(folder.glob("*.h5")):
            for old, new in zip(("text", "audio", "video"), names, strict=True):
                if path.name.startswith(old):
                    path.rename(path.with_name(path.name.replace(old, new)))
        return folder

    return Row(write, check=_all_modalities)


def _roots_renamed(*names: str) -> Row:
    def write(folder: Path) -> Path:
        WRITE["csd"](folder)
        for name, root in zip(("text", "audio", "video"), names, strict=True):
            with h5py.File(folder / f"{name}.csd", "r+") as file:
                (old,) = file
                file.move(old, root)
            (folder / f"{name}.csd").rename(folder / f"{len(root)}{name[0]}.csd")
        return folder

    return Row(write, check=_all_modalities)


def _says_unused(name: str) -> Callable:
    def check(corpus, segments) -> None:
        assert len(segments) == 7
        assert any(name in note.words for note in corpus.noted if note.what in UNUSED)

    return check


def _with_part(format: str, name: str) -> Row:
    return Row(pickled(format, lambda parts: parts.update({name: [1]})), check=_says_unused(name))


def _with_file(format: str, name: str) -> Row:
    def write(folder: Path) -> Path:
        path = WRITE[format](folder)
        if format == "neutral":
            np.savez(folder / f"{name}.npz", a=np.ones((1, 2)))
        elif format == "mfn":
            (folder / f"{name}.h5").write_bytes((folder / "X_train.h5").read_bytes())
        else:
            with h5py.File(folder / f"{name}.csd", "w") as file:
                entry = file.create_group(f"{name}/data/e[0]")
                entry["features"], entry["intervals"] = np.ones((1, 9)), np.float64([[0, 1]])
        return path

    return Row(write, check=_says_unused(name))


def _beside_the_others(name: str) -> dict[str, Row | str]:
    return {
        **{format: _with_part(format, name) for format in PICKLES},
        **{format: _with_file(format, name) for format in ("csd", "mfn", "neutral")},
        "misa": "A sample has three parts, and any other number of them is refused.",
    }


#: The first segment's audio begins with a whole number that float32 rounds.
LARGE = (1 << 24) + 3


def _rounds_audio(corpus, segments) -> None:
    assert len(segments) == 7
    counts = {what: count for what, count in corpus.account.cleaning().items() if "rounded" in what}
    assert counts == {"audio: frames with whole numbers beyond 16777216, rounded": 1}
    assert sum(float((1 << 24) + 4) in s.features.get("audio", ()) for s in segments.values()) == 1


def _large(format: str) -> Row:
    def change(parts: dict) -> None:
        audio = np.array(parts[AUDIO[format]], np.float64)
        if len(audio) > 2:
            first = np.atleast_2d(audio[0])
            first[np.flatnonzero(first.any(axis=1))[-1], 0] = LARGE
        parts[AUDIO[format]] = audio

    return Row(pickled(format, change), check=_rounds_audio)


def _large_segment(format: str) -> Row:
    def write(folder: Path) -> Path:
        segments = truth()
        for segment in segments:
            audio = np.round(segment.clean["audio"]).astype(np.int64)
            if segment.id == FIRST:
                audio[-1:, 0] = LARGE
            segment.raw["audio"] = audio
        return WRITE[format](folder, segments)

    return Row(write, check=_rounds_audio)


def _d1_large(folder: Path) -> Path:
    d1(folder)
    with h5py.File(folder / "audio_train.h5", "r+") as file:
        values = file["d1"][()].astype(np.float64)
        values[0, np.flatnonzero(values[0].any(axis=1))[-1], 0] = LARGE
        del file["d1"]
        file["d1"] = values
    return folder


_ODD_ENTRY = "audio: entries with other columns than most, left out"

KINDS: Kinds = {
    "other columns in the first segment, or in a split": {
        "csd": Row(lambda p: WRITE["csd"](p, _segments(FIRST)), check=_lacks_audio((FIRST,), _ODD_ENTRY)),
        "misa": Row(lambda p: WRITE["misa"](p, _segments(FIRST)), check=_lacks_audio((FIRST,), OTHER_COLUMNS)),
        "neutral": Row(lambda p: WRITE["neutral"](p, _segments(FIRST)), check=_lacks_audio((FIRST,), OTHER_COLUMNS)),
        "mfn": Row(_d1_narrow, check=_lacks_audio(TEST_ROWS["mfn"], OTHER_COLUMNS)),
        **{format: _narrow_split(format) for format in PICKLES},
    },
    "rows that are stored one by one": {
        **{format: _row_by_row(format) for format in PICKLES},
        **dict.fromkeys(("csd", "misa", "neutral"), "Segments are always stored one by one."),
        "mfn": "HDF5 holds one array for all.",
    },
    "an object array of equal matrices": {
        **{format: _object_rows(format) for format in PICKLES},
        **dict.fromkeys(("csd", "neutral", "mfn"), "The format holds no Python objects."),
        "misa": Row(_misa_steps(_objects), check=_all_modalities),
    },
    "steps that are stored one by one": {
        **dict.fromkeys(("csd", "neutral", "mfn"), "The format holds no Python objects."),
        **{format: Row(pickled(format, _steps_listed(format)), check=_all_modalities) for format in PICKLES},
        "misa": Row(_misa_steps(list), check=_all_modalities),
    },
    "steps of different widths in one segment": {
        **dict.fromkeys(("csd", "neutral", "mfn"), "The format holds no Python objects."),
        **{format: _ragged_row(format) for format in PICKLES},
        "misa": Row(_misa_steps(_ragged("text")), check=_lacks("text")),
    },
    "other names of the modalities": {
        "csd": _roots_renamed("language", "speech", "face"),
        "misa": "Parts have no names.",
        "neutral": _renamed_files(
            "neutral", {"text.npz": "language.npz", "audio.npz": "COVAREP.npz", "video.npz": "visual_features.npz"}
        ),
        "mfn": _d1_renamed("language", "acoustic", "visual"),
        **{format: _renamed(format, OTHER_NAMES) for format in PICKLES},
    },
    "a version or a size after a modality's name": {
        "csd": _roots_renamed("glove_6B", "openSMILE_3.0", "FACET 4.1"),
        "misa": "Parts have no names.",
        "neutral": _renamed_files(
            "neutral", {"text.npz": "glove.6B.300d.npz", "audio.npz": "COVAREP_74.npz", "video.npz": "OpenFace_2.npz"}
        ),
        "mfn": _d1_renamed("glove6B", "covarep1", "openface2"),
        **{format: _renamed(format, VERSIONS) for format in PICKLES},
    },
    "whole numbers that float32 rounds": {
        **{format: _large(format) for format in PICKLES},
        **{format: _large_segment(format) for format in ("csd", "misa", "neutral")},
        "mfn": Row(_d1_large, check=_rounds_audio),
    },
    "parts that nothing uses": _beside_the_others("wishes"),
    "parts that a modality's name is only within": _beside_the_others("surface"),
}
