"""Keeps the columns that papers kept: `--select mctn`, the 5 of 74 COVAREP and 20 of 47 FACET columns of MFN, MCTN.

Published are the indices (acoustic 1, 3, 6, 25, 60; visual 0, 2, 5, … 40) and a list of 48 FACET columns. **Inferred**
is what the visual indices count: the code drops the first five of the 48 (frame time and face box) before it selects,
so they count the other 43. The 47 columns of the .csd files are the 48 without the frame time and still begin with the
face box, so that the same features lie at index + 4 there. Names are the published ones of those positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mmtrans.sources.corpus import Corpus
from tfrecords.schema import Segment

#: COVAREP's 74 columns.
COVAREP_NAMES = (
    *("F0", "VUV", "NAQ", "QOQ", "H1H2", "PSP", "MDQ", "peakSlope", "Rd", "Rd_conf", "creak"),
    *(f"MCEP_{k}" for k in range(25)),
    *(f"HMPDM_{k}" for k in range(25)),
    *(f"HMPDD_{k}" for k in range(13)),
)

_EMOTIONS = (
    *("anger", "contempt", "disgust", "joy", "fear", "negative", "neutral", "positive"),
    *("sadness", "surprise", "confusion", "frustration"),
)
_ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 23, 24, 25, 26, 28)

#: FACET 4.1's 47 columns: the published 48 without the frame time, which a .csd file keeps as intervals.
FACET_NAMES = (
    *("Face X", "Face Y", "Face Width", "Face Height"),
    *(f"{emotion}Evidence" for emotion in _EMOTIONS),
    *(f"{emotion}Intensity" for emotion in _EMOTIONS),
    *(f"AU{unit}Evidence" for unit in _ACTION_UNITS),
)
_FACE_BOX = 4

MCTN_AUDIO = (1, 3, 6, 25, 60)
#: Positions among the 43 columns after the face box.
MCTN_VIDEO = (0, 2, 5, 10, 11, 12, 14, 17, 20, 21, 22, 24, 25, 29, 30, 31, 32, 36, 37, 40)

#: selection → modality → (names of all columns, columns to keep).
SELECTIONS = {
    "mctn": {
        "audio": (COVAREP_NAMES, MCTN_AUDIO),
        "video": (FACET_NAMES, tuple(_FACE_BOX + column for column in MCTN_VIDEO)),
    }
}


def select_columns(corpus: Corpus, select: str) -> Corpus:
    """Wraps a corpus of any source so that its segments carry only the selected columns.

    Args:
        corpus: an opened source whose audio is COVAREP (74) and whose video is FACET 4.1 (47), where it has them.
        select: `mctn`. Text is left as it is.

    Returns:
        A corpus that shares `account` and `noted` with `corpus`, with `feature_names` of the columns kept:
        the file's own where it names them all. Reading it raises a ValueError at the first segment whose
        audio or video has another number of columns.

    Raises:
        ValueError: an unknown selection.
    """
    if select not in SELECTIONS:
        raise ValueError(
            f"Unknown selection of columns. Expected one of {sorted(SELECTIONS)}. Received: select={select!r}. "
            f"Name one with --select."
        )
    names = dict(corpus.feature_names)
    for modality, (published, columns) in SELECTIONS[select].items():
        if modality in corpus.aligned or modality in names:
            own = names.get(modality, ())
            names[modality] = _pick(own if len(own) == len(published) else published, columns)
    return corpus.through(lambda segments: _select(segments, select), feature_names=names)


def _pick(names: Sequence[str], columns: Sequence[int]) -> tuple[str, ...]:
    return tuple(names[column] for column in columns)


def _select(segments: Iterator[Segment], select: str) -> Iterator[Segment]:
    for segment in segments:
        features = dict(segment.features)
        for modality, (published, columns) in SELECTIONS[select].items():
            if modality not in features:
                continue
            dim = features[modality].shape[1]
            if dim != len(published):
                raise ValueError(
                    f"The selection does not fit the columns. Expected {modality} of {len(published)} columns for "
                    f"select={select!r}. Received: {modality} of {dim} columns ({segment.id}). Leave --select out."
                )
            features[modality] = features[modality][:, list(columns)]
        yield replace(segment, features=features)
