"""The types that a modality's values may be stored in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

Dtype = Literal["float32", "float16"]

DTYPES: tuple[str, ...] = get_args(Dtype)


def rounded(array: np.ndarray, modality: str, segment_id: str) -> np.ndarray:
    """Values as records in float16 give them back.

    Args:
        array: `(steps, dim)` float32, finite.
        modality, segment_id: for the message.

    Returns:
        the shape of `array`, float32.

    Raises:
        ValueError: a value is larger than any of float16.
    """
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    beyond = array[np.isinf(half)]
    if len(beyond):
        raise ValueError(
            f"A value does not fit into float16. Expected sizes up to {np.finfo(np.float16).max:g}. "
            f"Received: {modality} with {beyond[0]:g} ({segment_id}). Convert without --text-dtype float16."
        )
    return half.astype(np.float32)


def halves(dtypes: Mapping[str, str]) -> frozenset[str]:
    """The modalities that are stored in float16, of modality → type."""
    return frozenset(modality for modality, dtype in dtypes.items() if dtype == "float16")
