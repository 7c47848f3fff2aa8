"""The files of the synthetic corpus, in MOSI's own .csd format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from mmtrans.sources.columns import COVAREP_NAMES
from mmtrans.sources.untrusted.hdf5 import new_hdf5
from mmtrans.synthetic import world as equations
from mmtrans.synthetic.world import VIDEO

#: Name and root of each file, the roots as odd as MOSI's own.
FILES = {
    "words": ("CMU_MOSI_TimestampedWords.csd", "words"),
    "vectors": ("CMU_MOSI_TimestampedWordVectors.csd", "glove_vectors"),
    "audio": ("CMU_MOSI_COVAREP.csd", "COAVAREP"),
    "video": ("CMU_MOSI_Visual_Facet_41.csd", "FACET 4.1"),
    "labels": ("CMU_MOSI_Opinion_Labels.csd", "Opinion Segment Labels"),
}
COLUMN_NAMES = {
    "words": ["word"],
    "vectors": [f"vector_{i}" for i in range(equations.VECTOR_DIMS)],
    "audio": list(COVAREP_NAMES),
    "video": [f"facet_{i}" for i in range(VIDEO.dim)],
    "labels": ["sentiment"],
}

#: Features and intervals of an entry.
Rows = tuple[np.ndarray, np.ndarray]


def segment_entries(
    video_id: str, rows: Rows, spans: np.ndarray, present: np.ndarray | None = None
) -> Iterator[tuple[str, Rows]]:
    """Cut the entry of a video into those of its segments; what is in none is left out.

    Args:
        video_id: the video.
        rows: features and intervals of the video.
        spans: `(segments, 2)` float64, start and end in seconds.
        present: `(segments,)` bool, those that get an entry; all if `None`.
    """
    features, intervals = rows
    middles = intervals.mean(axis=1)
    for index, (start, stop) in enumerate(np.searchsorted(middles, spans)):
        if present is None or present[index]:
            yield f"{video_id}[{index}]", (features[start:stop], intervals[start:stop])


def write_csd(directory: Path, kind: str, entries: Iterable[tuple[str, Rows]]) -> None:
    """Write one computational sequence.

    Args:
        directory: the corpus.
        kind: one of `FILES`.
        entries: pairs of an id and `(features, intervals)`, in the order of writing.
    """
    name, root = FILES[kind]
    metadata = {
        "root name": root,
        "computational sequence description": f"synthetic {kind} in the format of CMU-MOSI",
        "dimension names": COLUMN_NAMES[kind],
        "computational sequence version": "1.0",
        "alignment compatible": True,
        "dataset name": "synthetic CMU-MOSI",
        "dataset version": "1.0",
        "creator": "mmtrans synthesize",
        "contact": "",
        "featureset bib citation": "",
        "dataset bib citation": "",
    }
    with new_hdf5(directory / name) as file:
        for video_id, arrays in entries:
            for key, array in zip(("features", "intervals"), arrays, strict=True):
                packing = (
                    {} if array.nbytes < 2**16 else {"compression": "gzip", "compression_opts": 1, "shuffle": True}
                )
                file.create_dataset(f"{root}/data/{video_id}/{key}", data=array, track_times=False, **packing)
        for key, value in metadata.items():
            text = [json.dumps(value)]
            file.create_dataset(
                f"{root}/metadata/{key}", data=text, dtype=h5py.string_dtype("utf-8"), track_times=False
            )
