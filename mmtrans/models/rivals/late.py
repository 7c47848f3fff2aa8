"""Late fusion: a score from each modality, and their sum. No paper's, but what every paper is held against.

Each modality has a recurrent layer of its own, whose final state its score is linear in. A sum of scores cannot tell
that one modality turns round what another says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtrans.config import Config
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Encoder


def late_fusion(streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config) -> Any:
    """The final states side by side, `(batch, width)`; arguments are those of `subnetworks.summaries`.

    What is linear in them is a sum of what is linear in each.
    """
    states = list(final_states(streams, masks, config).values())
    joined = keras.layers.Concatenate(name="states")(states) if len(states) > 1 else states[0]
    return Dropout(config.regressor.regressor_dropout, "fusion/dropout", name="fusion_dropout")(joined)


def final_states(streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Modality → the final state of its own recurrent layer, `(batch, regressor_units)`, twice that of both ways."""
    units, rate = config.regressor.regressor_units, config.regressor.regressor_dropout
    states = {}
    for name, stream in streams.items():
        encoder = Encoder(units, config.encoder.cell, 1, config.encoder.bidirectional, rate, name=f"{name}_subnetwork")
        _, states[name] = encoder(stream, source_mask=masks[name])
    return states
