"""What a reading child process tells its parent: a `Corpus`, segments and accounts, as JSON with raw float32 arrays.

A frame is two lengths (of its JSON and of its arrays together, 8 bytes each, little-endian), the JSON, the arrays.
Nothing in it is code: a child that a hostile file has taken over can send wrong numbers, and no more.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np

from mmtrans.sources.account import Account, Cleaned, DropReason, Left, Note, Noted, Treated
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.labels import Labels
from mmtrans.sources.untrusted.messages import (
    AccountHeader,
    CorpusHeader,
    Header,
    LabelsFields,
    SegmentHeader,
)
from tfrecords.schema import LabelScale, Segment

#: The lengths of JSON and arrays, before both.
PREFIX = struct.Struct("<QQ")


def encode(header: Header, arrays: Mapping[str, np.ndarray] | None = None) -> list[bytes | memoryview]:
    """A frame, in pieces to be written one after the other.

    Args:
        header: the message.
        arrays: name → non-empty float32 array.
    """
    arrays = {name: np.ascontiguousarray(array, "<f4") for name, array in (arrays or {}).items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    text = json.dumps({**header, "arrays": shapes}).encode("ascii")
    size = sum(array.nbytes for array in arrays.values())
    return [PREFIX.pack(len(text), size), text, *(array.data.cast("B") for array in arrays.values())]


def decode(text: bytes | bytearray, buffer: bytearray) -> tuple[Header, dict[str, np.ndarray]]:
    """The header and the arrays of a frame; the arrays are views of `buffer`."""
    header, arrays, start = json.loads(text), {}, 0
    for name, shape in header.pop("arrays").items():
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(buffer, "<f4", count, start).reshape(shape)
        start += 4 * count
    return header, arrays


def encode_corpus(corpus: Corpus) -> list[bytes | memoryview]:
    """A frame of all that is known before features are read; `corpus_of` takes it."""
    return encode(
        {
            "kind": "corpus",
            "format": corpus.format,
            "files": [str(path) for path in corpus.files],
            "label": corpus.label.to_json(),
            "labels": corpus.labels and cast(LabelsFields, asdict(corpus.labels)),
            "video_ids": list(corpus.video_ids),
            "feature_names": {name: list(names) for name, names in corpus.feature_names.items()},
            "folds": None if corpus.folds is None else {split: list(v) for split, v in corpus.folds.items()},
            "aligned": dict(corpus.aligned),
            "noted": [(note.what.name, note.details) for note in corpus.noted],
            "num_units": corpus.num_units,
            "vocabulary": list(corpus.vocabulary),
        }
    )


def corpus_of(header: CorpusHeader) -> Corpus:
    """The corpus of a header; it is for the caller to say how it is read."""
    folds = header["folds"]
    return Corpus(
        format=header["format"],
        files=[Path(path) for path in header["files"]],
        label=LabelScale(**header["label"]),
        labels=header["labels"] and _labels_of(header["labels"]),
        read=lambda: iter(()),
        num_units=header["num_units"],
        video_ids=tuple(header["video_ids"]),
        feature_names={name: tuple(names) for name, names in header["feature_names"].items()},
        folds=folds and {split: tuple(videos) for split, videos in folds.items()},
        aligned=header["aligned"],
        noted=[Note(Noted[what], details) for what, details in header["noted"]],
        vocabulary=tuple(header["vocabulary"]),
    )


def _labels_of(fields: LabelsFields) -> Labels:
    stated = fields["stated"]
    return Labels(
        name=fields["name"],
        values=fields["values"],
        is_sentiment=fields["is_sentiment"],
        may_be_unit=fields["may_be_unit"],
        stated=stated and LabelScale(**stated),
    )


def encode_account(account: Account) -> list[bytes | memoryview]:
    """A frame of what was treated and left out, by keys; `account_of` takes it."""
    treated = [(key.of, key.what.name, key.detail, number) for key, number in account.treated.items()]
    return encode({"kind": "end", "treated": treated, "left": [(i, r.name, detail) for i, r, detail in account.left]})


def account_of(header: AccountHeader) -> Account:
    """The account of a header."""
    return Account(
        Counter({Treated(of, Cleaned[what], detail): number for of, what, detail, number in header["treated"]}),
        [Left(id, DropReason[reason], detail) for id, reason, detail in header["left"]],
    )


def encode_segment(segment: Segment) -> list[bytes | memoryview]:
    """A frame of a segment; `segment_of` takes it."""
    header: SegmentHeader = {
        "kind": "segment",
        "id": segment.id,
        "video_id": segment.video_id,
        "label": segment.label,
        "tokens": segment.tokens,
        "split": segment.split,
    }
    return encode(header, segment.features)


def segment_of(header: SegmentHeader, arrays: dict[str, np.ndarray]) -> Segment:
    """The segment of a decoded frame.

    Raises:
        ValueError: values that no segment may have.
    """
    return Segment(
        header["id"],
        header["video_id"],
        arrays,
        label=header["label"],
        tokens=tuple(header["tokens"]),
        split=header["split"],
    )
