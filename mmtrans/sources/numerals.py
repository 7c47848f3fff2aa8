"""Numbers that come as text: what Python takes beyond them ("1_0", digits of other scripts) is none."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def parse_number(text: str) -> float:
    """The number that a text spells: `3`, `-0.5`, `.5`, `1e-3`, `nan` or `-inf`, with blanks around it or none.

    Raises:
        ValueError: it spells none.
    """
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ValueError(f"A number is not understood. Expected one like -0.5. Received: {text!r:.60}. Correct it.")
    return float(text)
