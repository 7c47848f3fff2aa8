"""One rule for the words of all readers: what is spoken, what is silence or noise, what is missing, and in what bytes.

Forced aligners write marks in place of words: `sp` and blanks where nobody speaks, `NW`, `{LG}` and the like for
laughter, breath and noise. They are no words; where features are aligned to words their steps go with them. `None` and
NaN, which tables have in empty cells, are missing words, while the words "none" and "nan" are words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeGuard

import numpy as np

from mmtrans.sources.account import WORDS, Account, Cleaned

#: What aligners write where nobody speaks, in lower case: P2FA `sp`, MFA `sil` and `<eps>`.
PAUSES = frozenset({"", "sp", "sil", "<sil>", "{sl}", "<eps>"})

#: What they write for sounds that are no words: P2FA's and MFA's marks, and MOSEI's `NW`.
NOISES = frozenset({"nw", "spn", "<spn>", "{ns}", "{lg}", "{br}", "{cg}", "{ls}"})


def is_missing(value: object) -> bool:
    """Whether a cell of text is empty as tables have it: `None` or a NaN."""
    return value is None or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))


def is_text(value: object) -> TypeGuard[str | bytes]:
    """Whether a cell is text, as str or bytes."""
    return isinstance(value, (str, bytes))


def read_words(cells: Iterable[object], account: Account) -> tuple[list[str], np.ndarray]:
    """Cells of words as text without blanks around them, and which of them are spoken.

    Bytes are UTF-8, and what is not is counted. UTF-8 that Python 2 wrote, and that was read as latin1, is mended.

    Args:
        cells: str, bytes, or missing.
        account: the account that counts pauses, noise, missing words and other encodings.

    Returns:
        The words, empty where they are missing, and `(steps,)` bool.
    """
    cells = list(cells)
    missing = [is_missing(cell) for cell in cells]
    known = {cell: _decode(cell) for cell in {cell for cell, lacks in zip(cells, missing, strict=True) if not lacks}}
    words = ["" if lacks else known[cell][0] for cell, lacks in zip(cells, missing, strict=True)]
    foreign = sum(known[cell][1] for cell, lacks in zip(cells, missing, strict=True) if not lacks)
    account.count(Cleaned.NOT_UTF_8, WORDS, foreign)
    account.count(Cleaned.MISSING, WORDS, sum(missing))
    account.count(Cleaned.NOISES, WORDS, sum(word.lower() in NOISES for word in words))
    account.count(Cleaned.PAUSES, WORDS, sum(word.lower() in PAUSES for word in words) - sum(missing))
    return words, spoken(words)


def spoken(words: Sequence[str]) -> np.ndarray:
    """Tells which words are spoken, neither pauses nor noise: `(steps,)` bool."""
    return np.array([word.lower() not in PAUSES and word.lower() not in NOISES for word in words], bool)


def read_transcript(value: object, account: Account) -> tuple[str, ...]:
    """The spoken words, in lower case, of a segment's transcript: a text, a list of words, or nothing.

    What is left out is counted as by `read_words`, and a segment without any transcript.
    """
    cells = value.reshape(-1).tolist() if isinstance(value, np.ndarray) else value
    cells = cells if isinstance(cells, (list, tuple)) else [cells]
    cells = [cell for cell in cells if not (is_missing(cell) or (is_text(cell) and not cell.strip()))]
    if not cells:
        account.count(Cleaned.NO_TRANSCRIPT, WORDS)
        return ()
    decoded = [_decode(cell) for cell in cells]
    account.count(Cleaned.NOT_UTF_8, WORDS, sum(is_foreign for _, is_foreign in decoded))
    text = " ".join(text for text, _ in decoded)
    words, is_spoken = read_words(text.lower().split(), account)
    return tuple(word for word, speaks in zip(words, is_spoken, strict=True) if speaks)


def storable_text(value: object) -> str:
    """A value as text; what of it is no Unicode, and so cannot be stored, as escapes (`\\udc80`)."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _decode(cell: object) -> tuple[str, bool]:
    """The text, and whether it was in another encoding than UTF-8."""
    if isinstance(cell, bytes):
        try:
            return _strip(cell.decode("utf-8")), False
        except UnicodeDecodeError:
            return _strip(_from_windows(cell)), True
    text = storable_text(cell)
    try:
        return _strip(text.encode("latin-1").decode("utf-8")), False
    except UnicodeError:
        return _strip(text), False


def _from_windows(cell: bytes) -> str:
    try:
        return cell.decode("cp1252")
    except UnicodeDecodeError:
        # Five bytes are nothing there.
        return cell.decode("latin-1")


def _strip(text: str) -> str:
    return text.strip().strip("\ufeff\0").strip()
