"""Kinds of ids: of no known style, of a style that contradicts the splits, missing, and with odd characters."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.sources.format_files import Truth, dump, neutral_per_segment, truth
from tests.sources.kinds import WRITE, Kinds, Row

NO_IDS = dict.fromkeys(("lmf", "mfn"), "The format has no ids.")
NAMES = "The ids are names in an HDF5 file: never missing, and text without a slash."
SPLITS = ("train", "valid", "test")


def _write_pickle(format: str, ids: Sequence[object], folder: Path, segments: Sequence[Truth] | None = None) -> Path:
    path = WRITE[format](folder, segments)
    content, following = pickle.loads(path.read_bytes()), iter(ids)
    for parts in (content[split] for split in SPLITS):
        if format == "misa":
            parts[:] = [(features, label, next(following)) for features, label, _ in parts]
        else:
            parts["id"] = [next(following) for _ in parts["id"]]
    return dump(path, content, 4)


def _write_table(
    ids: Sequence[object],
    folder: Path,
    segments: Sequence[Truth] | None = None,
    array_names: Sequence[object] | None = None,
) -> Path:
    """Our plain format with other ids; the arrays bear them too, unless they have names of their own."""
    segments = segments or truth()
    path = WRITE["neutral"](folder, segments)
    with (path / "segments.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    with (path / "segments.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *([id, *row[1:]] for id, row in zip(ids, rows, strict=True))])
    for name in ("text", "audio", "video"):
        arrays = {str(id): s.raw[name] for id, s in zip(array_names or ids, segments, strict=True) if name in s.raw}
        np.savez(path / f"{name}.npz", **arrays)
    return path


def _write_sequences(ids: Sequence[str], folder: Path) -> Path:
    segments = [replace(segment, video=id, index=0) for id, segment in zip(ids, truth(), strict=True)]
    return WRITE["csd"](folder, segments)


def _writer(format: str, ids: Sequence[object]) -> Callable[[Path], Path]:
    if format == "csd":
        return lambda folder: _write_sequences(ids, folder)
    if format == "neutral":
        return lambda folder: _write_table(ids, folder)
    return lambda folder: _write_pickle(format, ids, folder)


def _each_its_own(ids: Sequence[object], note: str, *, without: Sequence[str] = ()) -> dict[str, Row]:
    """Entries of the formats with ids: each id is a video of its own, in the split of the file."""
    names = [str(id) for id in ids]

    def check(corpus, segments) -> None:
        assert set(segments) == {f"{name}[0]" for name in names}
        assert corpus.ids_are_videos == (corpus.format != "csd")
        folds = {split: [n for n, s in zip(names, truth(), strict=True) if s.split == split] for split in SPLITS}
        assert {split: sorted(videos) for split, videos in corpus.folds.items()} == {
            split: sorted(videos) for split, videos in folds.items()
        }
        for name, expected in zip(names, truth(), strict=True):
            segment = segments[f"{name}[0]"]
            assert segment.video_id == name
            label = np.nan if segment.label is None else segment.label
            np.testing.assert_allclose(label, expected.label, rtol=1e-6)
        if corpus.format != "csd":
            assert sum(note in said for said in corpus.notes) == 1

    formats = [format for format in WRITE if format not in (*NO_IDS, *without)]
    return {format: Row(_writer(format, ids), check=check) for format in formats}


def _without_two(format: str) -> Row:
    ids = ["a_1", None, "b_1", "c_1", "", "d_1", "e_1"]

    def check(corpus, segments) -> None:
        assert set(segments) == {"a[0]", "train_1[0]", "b[0]", "c[0]", "valid_1[0]", "d[0]", "e[0]"}
        assert "Segments without an id, each a video of its own: 2 (train_1, valid_1)." in corpus.notes

    return Row(_writer(format, ids), check=check)


def _in_linked_segments(folder: Path) -> Path:
    path, store = neutral_per_segment(folder / "corpus"), folder / "store"
    (path / "segments").rename(store)
    (path / "segments").symlink_to("../store")
    return path


def _begin_anew(format: str) -> Row:
    """Two segments of each split have the ids of two in the others, and other labels."""
    ids = ["v[0]", "v[1]", "w[0]", "v[0]", "v[1]", "v[0]", "v[1]"]
    names = [f"{segment.split}_{id}" for segment, id in zip(truth(), ids, strict=True)]

    def check(corpus, segments) -> None:
        assert set(segments) == set(names)
        assert corpus.dropped == []
        assert corpus.folds == {"train": ["train_v", "train_w"], "valid": ["valid_v"], "test": ["test_v"]}
        for name, expected in zip(names, truth(), strict=True):
            label = np.nan if segments[name].label is None else segments[name].label
            np.testing.assert_allclose(label, expected.label, rtol=1e-6)
            if format == "neutral":
                np.testing.assert_array_equal(segments[name].features["audio"], expected.clean["audio"])
        assert sum("each video counts within its split, like 'train_v'" in note for note in corpus.notes) == 1

    if format == "neutral":
        return Row(lambda folder: _write_table(ids, folder, array_names=names), check=check)
    return Row(_writer(format, ids), check=check)


def _same_segments(format: str) -> Row:
    """Valid and test hold two of train's three segments, in a style that counts from 1."""
    ids = ["v_1", "v_2", "w_1", "v_1", "v_2", "v_1", "v_2"]
    segments = [
        replace(segment, label=label)
        for segment, label in zip(truth(), (-1.5, 2.0, 0.5, -1.5, 2.0, -1.5, 2.0), strict=True)
    ]

    def check(corpus, found) -> None:
        assert {name: segment.label for name, segment in found.items()} == {"v[0]": -1.5, "v[1]": 2.0, "w[0]": 0.5}
        assert [dropped.id for dropped in corpus.dropped] == ["v[0]", "v[1]"] * 2
        assert corpus.folds["train"] == ["v", "w"]
        told = "no other labels tell them apart: the first of each is kept."
        assert sum(told in note for note in corpus.notes) == 1

    if format == "neutral":
        return Row(lambda folder: _write_table(ids, folder, segments), check=check)
    return Row(lambda folder: _write_pickle(format, ids, folder, segments), check=check)


def _in_a_linked_folder(folder: Path) -> Path:
    path, store = WRITE["csd"](folder / "corpus"), folder / "store"
    store.mkdir()
    for name in ("labels.csd", "audio.csd"):
        (path / name).rename(store / name)
    (path / "more").symlink_to("../store")
    (path / "more" / "round").symlink_to("../corpus")
    return path


def _is_whole(corpus, segments) -> None:
    assert set(segments) == {segment.id for segment in truth()}
    assert segments["a_-1[0]"].label == -3.0
    assert "audio" in segments["a_-1[0]"].features


_FLAT = "The format has no sub-folders."

KINDS: Kinds = {
    "ids of no style": {**_each_its_own([f"dia{k}_utt{k % 2}" for k in range(7)], "are of no known style"), **NO_IDS},
    "numbers as ids": {
        **_each_its_own([9007199254740993 + k for k in range(7)], "of no known style"),
        **NO_IDS,
    },
    "ids of several styles": {
        **_each_its_own(["a_1", "b[0]x", "c$_$d", "5", "e", "f_", "g_h_1"], "of no known style"),
        **NO_IDS,
    },
    "ids whose guessed video is in all splits": {
        **_each_its_own([f"clip_{k:02d}" for k in range(1, 8)], "would make 'clip' one video in several splits"),
        **NO_IDS,
    },
    "ids with line ends and separators": {
        **_each_its_own(["a\nb", "a\u2028b", "a\u0085b", "a\tb", "a\x1bb", "..", "a\rb"], "of no known style"),
        **NO_IDS,
    },
    "ids with slashes": {
        **_each_its_own(["a/b", "/a", "../a", "a//b", "a/", "./a", "a/../b"], "of no known style", without=["csd"]),
        "csd": NAMES,
        **NO_IDS,
    },
    "ids in brackets that begin anew in each split": {
        **{format: _begin_anew(format) for format in ("mult", "mmsa", "multibench", "misa", "neutral")},
        "csd": NAMES,
        **NO_IDS,
    },
    "the same segments in several splits": {
        **{format: _same_segments(format) for format in ("mult", "mmsa", "multibench", "misa", "neutral")},
        "csd": NAMES,
        **NO_IDS,
    },
    "segments without an id": {
        **{format: _without_two(format) for format in ("mult", "mmsa", "multibench", "misa")},
        "neutral": "Arrays are found by the id.",
        "csd": NAMES,
        **NO_IDS,
    },
    "a linked sub-folder": {
        **dict.fromkeys(WRITE, _FLAT),
        "csd": Row(_in_a_linked_folder, check=_is_whole),
        "neutral": Row(_in_linked_segments, check=_is_whole),
    },
}
