"""One vector a modality: the embedding subnetworks of tensor fusion (Zadeh et al. 2017, section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtrans.config import Config
from mmtrans.layers.attention import MeanPooling
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Encoder

#: Dense layers above the mean of a modality that is not text.
DEPTH = 3


def summaries(streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config) -> list[Any]:
    """A vector `(batch, units)` of each modality, in their order.

    Words are read by a recurrent layer, whose final state goes through a dense one, both of `regressor_units`. Other
    modalities are averaged over their valid steps, and go through three dense layers of `fusion_units`.

    The paper's layer for words reads one way: `bidirectional=False`. With the default it reads both ways, as the
    regressor of any other recipe does.

    Args:
        streams: modality → `(batch, steps, dim)` float32, standardised.
        masks: modality → `(batch, steps)` bool, true at its valid steps.
        config: sizes, dropout, and the recurrent cell.
    """
    return [
        _of_words(stream, masks[name], config) if name == "text" else _of_signal(name, stream, masks[name], config)
        for name, stream in streams.items()
    ]


def _of_words(stream: Any, mask: Any, config: Config) -> Any:
    units, rate = config.regressor.regressor_units, config.regressor.regressor_dropout
    encoder = Encoder(units, config.encoder.cell, 1, config.encoder.bidirectional, rate, name="text_subnetwork")
    _, state = encoder(stream, source_mask=mask)
    state = Dropout(rate, "text_subnetwork/output_dropout", name="text_dropout")(state)
    return keras.layers.Dense(units, activation="relu", name="text_dense")(state)


def _of_signal(name: str, stream: Any, mask: Any, config: Config) -> Any:
    vector, _ = MeanPooling(name=f"{name}_mean")(stream, source_mask=mask)
    vector = Dropout(config.regressor.regressor_dropout, f"{name}_subnetwork/dropout", name=f"{name}_dropout")(vector)
    for i in range(DEPTH):
        vector = keras.layers.Dense(config.fusion.fusion_units, activation="relu", name=f"{name}_dense_{i}")(vector)
    return vector
