"""One tiny corpus, and writers that store it as each format of the field does, with everything that real files do."""

from __future__ import annotations

import csv
import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

DIMS = {"text": 300, "audio": 5, "video": 20}
STEPS = 7  # of the padded arrays; the longest segment fills them
SPLITS = ("train", "valid", "test")


@dataclass
class Truth:
    """A segment as it truly is: `raw` holds the bad cells of the files, `clean` zeros in their places."""

    split: str
    video: str
    index: int
    label: float
    words: tuple[str, ...]
    raw: dict[str, np.ndarray]

    @property
    def id(self) -> str:
        return f"{self.video}[{self.index}]"

    @property
    def clean(self) -> dict[str, np.ndarray]:
        return {name: np.where(np.isfinite(array), array, 0).astype(np.float32) for name, array in self.raw.items()}


#: What the writers store: `truth()` unless a test changed it.
Segments = Sequence[Truth] | None


def truth() -> list[Truth]:
    """Seven segments of five videos: ids with - and _, one lacks video and one a label, NaN, ±inf, a constant."""
    rng = np.random.default_rng(7)
    rows = [
        ("train", "a_-1", 0, -3.0, 2),
        ("train", "a_-1", 2, 0.0, 7),
        ("train", "-b_5", 0, 1.8, 4),
        ("valid", "c", 1, 2.5, 3),
        ("valid", "c", 0, np.nan, 6),
        ("test", "d$_", 3, -0.5, 5),
        ("test", "e", 0, 3.0, 1),
    ]
    segments = []
    for split, video, index, label, steps in rows:
        raw = {name: rng.uniform(0.5, 2, (steps, dim)).astype(np.float32) for name, dim in DIMS.items()}
        raw["audio"][:, 4] = 9
        segments.append(Truth(split, video, index, label, tuple("bcdefgh"[:steps]), raw))
    segments[1].raw["text"][3] = 0  # a word without a vector
    segments[1].raw["audio"][2, 1], segments[1].raw["audio"][4, 0] = -np.inf, np.nan
    segments[3].raw["video"][1, 7] = np.inf
    del segments[2].raw["video"]
    return segments


def pad(segments: Sequence[Truth], name: str, side: str, steps: int = STEPS, *, edge: int = 0) -> np.ndarray:
    """`(n, steps, dim)`, zero where a segment lacks the modality; `edge` zero rows stand at both ends of a segment."""
    out = np.zeros((len(segments), steps, DIMS[name]), np.float32)
    for row, segment in enumerate(segments):
        array = segment.raw.get(name, np.zeros((0, DIMS[name]), np.float32))
        start = steps - len(array) - edge if side == "left" else edge
        out[row, start : start + len(array)] = array
    return out


def of_split(split: str, segments: Segments = None) -> list[Truth]:
    return [segment for segment in segments or truth() if segment.split == split]


def labels(segments: Sequence[Truth]) -> np.ndarray:
    return np.array([segment.label for segment in segments])


def dump(path: Path, content: object, protocol: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol))
    return path


class _Python2(pickle._Pickler):
    """Writes all text and bytes, array buffers too, as Python 2 wrote its `str`."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value: str | bytes) -> None:
        raw = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def dump_python_2(path: Path, content: object) -> Path:
    with path.open("wb") as file:
        _Python2(file, 2).dump(content)
    return path


def mult(
    path: Path, segments: Segments = None, *, aligned: bool = True, ids: str = "bytes", dev: str = "valid"
) -> Path:
    """MulT's pickle; `ids`: `bytes` (n, 3), `times` (video, start, end), or `none`."""
    content = {}
    for split in SPLITS:
        members = of_split(split, segments)
        parts = {
            "text": pad(members, "text", "left"),
            "audio": pad(members, "audio", "left", STEPS if aligned else 11),
            "vision": pad(members, "video", "left", STEPS if aligned else 13).astype(np.float64),
            "labels": labels(members).reshape(-1, 1, 1),
        }
        if ids == "bytes":
            parts["id"] = np.array([[f"{s.video}_{s.index + 1}".encode(), b"0.5", b"1.5"] for s in members])
        elif ids == "times":
            parts["id"] = np.array([[s.video, f"{3.5 * s.index}", f"{3.5 * s.index + 2}"] for s in members])
        content[dev if split == "valid" else split] = parts
    return dump(path / "mosi_data.pkl", content)


def mult_noalign(path: Path, segments: Segments = None) -> Path:
    return mult(path, segments, aligned=False)


def mmsa(path: Path, segments: Segments = None, *, aligned: bool = True, unimodal: bool = False) -> Path:
    """MMSA's pickle: [CLS] and [SEP] around the pieces (one a word here), padded right; unaligned audio stays left."""
    content = {}
    for split in SPLITS:
        members, steps = of_split(split, segments), STEPS + 3
        text, mask = pad(members, "text", "right", steps, edge=1), np.zeros((len(members), steps), int)
        for row, segment in enumerate(members):
            text[row, [0, len(segment.words) + 1]] = 5
            text[row, len(segment.words) + 2 :] = -4  # BERT gives padding vectors, too
            mask[row, : len(segment.words) + 2] = 1
        parts = {
            "raw_text": np.array([" ".join(segment.words).upper() for segment in members]),
            "text": text,
            "text_bert": np.stack([mask * 101, mask, mask * 0], axis=1).astype(np.float32),
            "id": np.array([f"{segment.video}$_${segment.index + 1}" for segment in members], object),
            "annotations": np.array(["Neutral"] * len(members)),
            "classification_labels": np.zeros(len(members)),
            "regression_labels": labels(members).astype(np.float32),
        }
        for key, name, own in (("audio", "audio", 11), ("vision", "video", 13)):
            parts[key] = pad(members, name, "right", steps, edge=1) if aligned else pad(members, name, "left", own)
            if not aligned:
                # The first zero row, at least 1, as the helper that wrote them counts.
                zero = (parts[key] == 0).all(axis=2)
                parts[f"{key}_lengths"] = [max(1, int(row.argmax())) if row.any() else own for row in zero]
        if unimodal:
            for shift, letter in enumerate("TAV", start=1):
                parts[f"regression_labels_{letter}"] = np.full(len(members), shift / 2)
        content[split] = parts
    return dump(path / ("aligned_50.pkl" if aligned else "unaligned_50.pkl"), content, 4)


def mmsa_unaligned(path: Path, segments: Segments = None) -> Path:
    return mmsa(path, segments, aligned=False)


def multibench(path: Path, segments: Segments = None) -> Path:
    content = {}
    for split in SPLITS:
        members = of_split(split, segments)
        parts = {key: pad(members, name, "left") for key, name in (("vision", "video"), ("audio", "audio"))}
        parts |= {"text": pad(members, "text", "left"), "labels": labels(members).reshape(-1, 1, 1)}
        content[split] = {**parts, "id": [segment.id for segment in members]}
    return dump(path / "mosi_raw.pkl", content)


def mfn(path: Path, segments: Segments = None, *, side: str = "right") -> Path:
    """MFN's X and y; the joint matrix keeps NaN and infinities."""
    path.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        members = of_split(split, segments)
        joint = np.concatenate([pad(members, name, side) for name in DIMS], axis=2).astype(np.float64)
        for stem, array in (("X", joint), ("y", labels(members))):
            with h5py.File(path / f"{stem}_{split}.h5", "w") as file:
                file["data"] = array
    return path


def d1(path: Path, segments: Segments = None, *, lacks: tuple[str, ...] = (), columns: int = 1) -> Path:
    """A `new_data` folder: text padded left, the others right; `lacks` names files that are not written."""
    path.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        members = of_split(split, segments)
        parts = {
            f"text_{split}_emb": pad(members, "text", "left"),
            f"audio_{split}": pad(members, "audio", "right"),
            f"video_{split}": pad(members, "video", "right"),
            f"y_{split}": labels(members)[:, None] + np.arange(columns) if columns > 1 else labels(members),
        }
        for stem, array in parts.items():
            if stem not in lacks:
                with h5py.File(path / f"{stem}.h5", "w") as file:
                    file.create_dataset("d1", data=array.astype(np.float64), compression="gzip")
    return path


def lmf(path: Path, segments: Segments = None, *, bytes_keys: bool = True) -> Path:
    """LMF's pickle: text per word, audio and video as means over the segment."""
    content = {}
    for split in SPLITS:
        members = of_split(split, segments)
        parts = {
            "covarep": np.stack([segment.clean["audio"].mean(axis=0) for segment in members]),
            "facet": np.stack([segment.clean.get("video", np.zeros((1, 20))).mean(axis=0) for segment in members]),
            "glove": pad(members, "text", "left"),
            "label": labels(members)[:, None],
        }
        content[split] = {key.encode() if bytes_keys else key: value for key, value in parts.items()}
    return dump(path / "mosi.pkl", {key.encode() if bytes_keys else key: value for key, value in content.items()})


def neutral(path: Path, segments: Segments = None, *, per_segment: bool = False) -> Path:
    """Our own format; the id column is in one style, the arrays are named by the canonical id."""
    segments = segments or truth()
    (path / "segments").mkdir(parents=True)
    with (path / "segments.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", "words"])
        for segment in segments:
            label = "" if np.isnan(segment.label) else segment.label
            split = "dev" if segment.split == "valid" else segment.split
            writer.writerow([f"{segment.video}_{segment.index + 1}", split, label, " ".join(segment.words)])
    if per_segment:
        for segment in segments:
            np.savez(path / "segments" / f"{segment.id}.npz", **segment.raw)
        return path
    for name in DIMS:
        np.savez_compressed(path / f"{name}.npz", **{s.id: s.raw[name] for s in segments if name in s.raw})
    return path


def neutral_per_segment(path: Path, segments: Segments = None) -> Path:
    return neutral(path, segments, per_segment=True)


def misa(path: Path, segments: Segments = None) -> Path:
    content = {
        split: [
            (
                (s.raw["text"], s.raw.get("video", np.zeros((len(s.words), 20))), s.raw["audio"], list(s.words)),
                np.array([[s.label]]),
                s.id,
            )
            for s in of_split(split, segments)
        ]
        for split in SPLITS
    }
    return dump(path / "mosi.pkl", content)


#: name of the case → (format, writer); a writer takes a folder and, perhaps, segments.
WRITERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "mult": ("mult", mult),
    "mult_noalign": ("mult", mult_noalign),
    "mmsa": ("mmsa", mmsa),
    "mmsa_unaligned": ("mmsa", mmsa_unaligned),
    "multibench": ("multibench", multibench),
    "mfn": ("mfn", mfn),
    "d1": ("mfn", d1),
    "lmf": ("lmf", lmf),
    "neutral": ("neutral", neutral),
    "neutral_per_segment": ("neutral", neutral_per_segment),
    "misa": ("misa", misa),
}
