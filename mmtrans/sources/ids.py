"""Names of segments and folds: every spelling of the field's files to `<video_id>[<index>]` and train, valid, test."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from mmtrans.sources.words import storable_text
from tfrecords.schema import SEGMENT_ID


@dataclass(frozen=True)
class Style:
    """How files spell ids: a pattern of video and index, and the first index."""

    pattern: re.Pattern[str]
    first: int


#: `v[2]` counts from 0; `v_3` and `v$_$3` from 1, and all three are one segment.
_STYLES = {
    "brackets": Style(SEGMENT_ID, 0),
    "dollar": Style(re.compile(r"(.+)\$_\$([0-9]{1,18})", re.DOTALL), 1),
    "underscore": Style(re.compile(r"(.+)_([0-9]{1,18})", re.DOTALL), 1),
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


def parse_segment_id(text: str, *, style: str, first: int | None = None) -> tuple[str, int]:
    """Video id and index of one id, which counts from 0 where the file counts from `first`.

    Args:
        text: the id. Video ids may themselves hold "-", "_" and digits: the index is what follows the last separator.
        style: `brackets` (`v[2]`, from 0), `underscore` (`v_3`, from 1) or `dollar` (`v$_$3`, from 1).
        first: the first index of the file, where it is not the style's.

    Raises:
        ValueError: an unknown style, or an id that is not written in it.
    """
    pattern = style_of(style).pattern
    first = style_of(style).first if first is None else first
    match = pattern.fullmatch(text)
    if match is None or int(match[2]) < first:
        raise ValueError(
            f"A segment id is not in the style of its file. Expected {style}, counting from {first}. "
            f"Received: id={text!r}. Check the ids of the source."
        )
    return match[1], int(match[2]) - first


def style_of(style: str) -> Style:
    """The style of a name.

    Raises:
        ValueError: there is none.
    """
    if style not in _STYLES:
        raise ValueError(f"Unknown style of ids. Expected one of {list(STYLES)}. Received: style={style!r}. Name one.")
    return _STYLES[style]


def find_style(texts: Collection[str], *, each: bool = False) -> str | None:
    """The one style that all of `texts` are written in, or `None`.

    Args:
        texts: ids.
        each: whether the ids may be of several styles, of which the first is told.
    """
    found = [[style for style, known in _STYLES.items() if known.pattern.fullmatch(text)] for text in texts]
    if each:
        return found[0][0] if found and all(found) else None
    return next((style for style in _STYLES if found and all(style in of_text for of_text in found)), None)


def id_text(raw: object) -> str:
    """An id as text; empty where there is none (`None`, NaN, no cells).

    Args:
        raw: text, bytes (in UTF-8, or else Latin-1), a number, or a row of several cells of which the first is the id.
    """
    cells = cells_of(raw)
    return cells[0] if cells else ""


def cells_of(raw: object) -> tuple[str, ...]:
    """The cells of a row of ids as texts; one for what is no row."""
    if isinstance(raw, np.ndarray):
        raw = raw.reshape(-1).tolist()
    return tuple(map(_text, raw)) if isinstance(raw, (list, tuple)) else (_text(raw),)


def _text(raw: object) -> str:
    if isinstance(raw, bytes):
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin1")
    if raw is None or raw != raw:
        return ""
    if isinstance(raw, (float, np.floating)) and float(raw).is_integer():
        return str(int(raw))
    # Escapes, since what is no Unicode must not make two ids one.
    return storable_text(raw)


def split_name(name: str | bytes) -> str | None:
    """`train`, `valid` or `test` for a fold's name in any spelling ("dev", "Val", b"train"), else `None`."""
    return _SPLIT_NAMES.get(id_text(name).strip().lower())
