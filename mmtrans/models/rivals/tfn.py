"""Tensor fusion: Zadeh, Chen, Poria, Cambria, Morency, "Tensor Fusion Network for Multimodal Sentiment Analysis", 2017.

Each modality becomes a vector (`subnetworks`). The outer product of all of them, a one behind each, holds what one, two
and three of them say together (eq. 3). Two dense layers read it (section 4.3).

The paper leaves open how the outputs are initialised; its one sigmoid unit, stretched to the labels' range, is here the
linear unit of every recipe, so that losses and ranges of labels are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtrans.config import Config
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.fusion import OuterProduct
from mmtrans.models.rivals.subnetworks import summaries


def tensor_fusion(streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config) -> Any:
    """What the score is linear in, `(batch, fused_units)`; arguments are those of `summaries`."""
    fused = OuterProduct(name="outer_product")(summaries(streams, masks, config))
    fused = Dropout(config.regressor.regressor_dropout, "fusion/dropout", name="fusion_dropout")(fused)
    for i in range(2):
        fused = keras.layers.Dense(config.fusion.fused_units, activation="relu", name=f"fused_{i}")(fused)
    return fused
