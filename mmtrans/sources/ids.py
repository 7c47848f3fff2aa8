"""Names of segments and folds: every spelling of the field's files to `<video_id>[<index>]` and train, valid, test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

#: style → (pattern, first index). `v[2]` counts from 0; `v_3` and `v$_$3` from 1, and all three are one segment.
_STYLES = {
    "brackets": (re.compile(r"(.+)\[([0-9]+)\]", re.DOTALL), 0),
    "dollar": (re.compile(r"(.+)\$_\$([0-9]+)", re.DOTALL), 1),
    "underscore": (re.compile(r"(.+)_([0-9]+)", re.DOTALL), 1),
}

STYLES = tuple(_STYLES)

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}


def segment_id(video_id: str, index: int) -> str:
    """`<video_id>[<index>]`, the one id that records carry; `index` counts from 0 in the label file.

    Raises:
        ValueError: the video id is empty or the index negative.
    """
    if not video_id or index < 0:
        raise ValueError(
            f"A segment needs a video and a row. Expected a non-empty video id and an index from 0. "
            f"Received: video_id={video_id!r}, index={index}. Check the ids of the source."
        )
    return f"{video_id}[{index}]"


def parse_segment_id(raw: str | bytes | Sequence | np.ndarray, *, style: str) -> tuple[str, int]:
    """Video id and 0-based index of one id as a file spells it.

    Args:
        raw: text or UTF-8 bytes, or a row of several cells `(id, start, end)` of which the first is the id. Video
            ids may themselves hold "-", "_" and digits: the index is what follows the last separator.
        style: `brackets` (`v[2]`, from 0), `underscore` (`v_3`, from 1) or `dollar` (`v$_$3`, from 1).

    Raises:
        ValueError: an unknown style, or an id that is not written in it.
    """
    if style not in _STYLES:
        raise ValueError(f"Unknown style of ids. Expected one of {list(STYLES)}. Received: style={style!r}. Name one.")
    pattern, first = _STYLES[style]
    text = _id_text(raw)
    match = pattern.fullmatch(text)
    if match is None or int(match[2]) < first:
        raise ValueError(
            f"A segment id is not in the style of its file. Expected {style}, counting from {first}. "
            f"Received: id={text!r}. Check the ids of the source."
        )
    return match[1], int(match[2]) - first


def detect_style(raw_ids: Iterable[str | bytes | Sequence | np.ndarray]) -> str:
    """The one style that all of `raw_ids` are written in.

    Raises:
        ValueError: there are no ids, or no style fits every one.
    """
    texts = [_id_text(raw) for raw in raw_ids]
    for style, (pattern, _) in _STYLES.items():
        if texts and all(pattern.fullmatch(text) for text in texts):
            return style
    odd = [text for text in texts if not any(pattern.fullmatch(text) for pattern, _ in _STYLES.values())]
    raise ValueError(
        f"The segment ids are of no known style. Expected all like v[2], v_3 or v$_$3. "
        f"Received: ids={(odd or texts)[:3]} among {len(texts)}. Check the ids of the source."
    )


def split_name(name: str | bytes) -> str | None:
    """`train`, `valid` or `test` for a fold's name in any spelling ("dev", "Val", b"train"), else `None`."""
    return _SPLIT_NAMES.get(_id_text(name).strip().lower())


def _id_text(raw: object) -> str:
    if isinstance(raw, np.ndarray):
        raw = raw.reshape(-1)[0] if raw.size else ""
    elif isinstance(raw, (list, tuple)):
        raw = raw[0] if raw else ""
    if isinstance(raw, bytes):
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(
                f"An id is no text. Expected UTF-8 bytes. Received: id={raw!r}. Check the ids of the source."
            ) from None
    if not isinstance(raw, str):
        raise ValueError(f"An id is no text. Expected str or bytes. Received: id={raw!r}. Check the ids of the source.")
    return str(raw)
