"""Numbers as text and as pickles hold them: what Python takes beyond them ("1_0", other scripts' digits) is none."""

from __future__ import annotations

import re

import numpy as np

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def parse_number(text: str) -> float:
    """The number that a text spells: `3`, `-0.5`, `.5`, `1e-3`, `nan` or `-inf`, with blanks around it or none.

    Raises:
        ValueError: the text spells no number.
    """
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ValueError(f"A number is not understood. Expected one like -0.5. Received: {text!r:.60}. Correct it.")
    return float(text)


def to_numbers(value: object) -> np.ndarray:
    """What a pickle holds as an array of float64: numbers, text that spells them, and `None`, which is NaN.

    An array of Python objects is read as a list of them is: one of equal vectors is a matrix.

    Raises:
        ValueError, TypeError, OverflowError: the value is something else, such as rows of several lengths.
    """
    array = np.asarray(value)
    if array.dtype.kind == "O" and any(isinstance(cell, (np.ndarray, list, tuple)) for cell in array.flat):
        array = np.asarray(array.tolist())
    if array.dtype.kind in "SUO":
        cells = np.empty(array.size, object)
        for place, cell in enumerate(array.reshape(-1).tolist()):
            cells[place] = _number_of(cell)
        array = cells.reshape(array.shape)
    elif array.dtype.kind not in "fiub":
        raise TypeError(f"values of type {array.dtype}")
    return array.astype(np.float64, copy=False)


def _number_of(cell: object) -> object:
    if isinstance(cell, bytes):
        cell = cell.decode("ascii", "replace")
    return parse_number(cell) if isinstance(cell, str) else cell
