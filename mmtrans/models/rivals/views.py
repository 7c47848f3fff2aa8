"""A recurrent layer for each modality: how wide it is, and what all of them end with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from mmtrans.config import Config
from mmtrans.layers.attention import LastStep
from mmtrans.layers.dropout import Dropout


def units_of(names: Iterable[str], config: Config) -> list[int]:
    """Units of each modality's recurrent layer: `regressor_units` for words, `fusion_units` for others."""
    sizes = config.regressor.regressor_units, config.fusion.fusion_units
    return [sizes[0] if name == "text" else sizes[1] for name in names]


def dropped(streams: Mapping[str, Any], config: Config) -> list[Any]:
    """The streams, in training without a share of their numbers."""
    rate = config.regressor.regressor_dropout
    return [
        Dropout(rate, f"{name}/input_dropout", name=f"{name}_input_dropout")(stream) for name, stream in streams.items()
    ]


def at_last_step(sequence: Any, mask: Any) -> Any:
    """What a sequence `(batch, steps, dim)` is at the last valid step, `(batch, dim)`."""
    last: Any = keras.layers.Dot(1, name="last_step")
    return last([LastStep(name="is_last")(mask), sequence])
