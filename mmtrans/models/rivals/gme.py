"""Gated multimodal embedding: Chen, Wang, Liang, Baltrušaitis, Zadeh, Morency, "Multimodal Sentiment Analysis with
Word-Level Fusion and Reinforcement Learning", 2017: GME-LSTM(A).

Beside each word a controller of each other modality lets its features pass or not: the paper's "Gated Multimodal
Embedding". A recurrent layer reads what is left, joined word by word, and attention over its steps, a dense layer and
the score follow: its "LSTM with Temporal Attention". Of words alone this is an attentive LSTM.

The paper trains its controllers by a score-function estimator, whose reward is the error of the whole model. Here a
straight-through estimator stands in, which needs no second training: see `StraightThroughGate`. The paper's layer reads
one way: `bidirectional=False`. Controllers have one hidden layer of `fusion_units`, and the dense layer has
`fused_units`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtrans.config import Config
from mmtrans.layers.attention import AttentionPooling
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Encoder
from mmtrans.layers.gated import StraightThroughGate


def gated_embedding(streams: Mapping[str, Any], mask: Any, config: Config) -> dict[str, Any]:
    """What the score is linear in, `(batch, fused_units)`, and the attention `(batch, steps)`; arguments are those of
    `subnetworks.summaries`, but for one mask of all modalities."""
    rate = config.regressor.regressor_dropout
    passed = [stream if name == "text" else _gated(name, stream, config) for name, stream in streams.items()]
    joined = keras.layers.Concatenate(name="gated_features")(passed) if len(passed) > 1 else passed[0]
    encoder = Encoder(
        config.regressor.regressor_units, config.encoder.cell, 1, config.encoder.bidirectional, rate, name="gated_lstm"
    )
    outputs, _ = encoder(joined, source_mask=mask)
    pooled, weights = AttentionPooling(name="temporal_attention")(outputs, source_mask=mask)
    fused = keras.layers.Dense(config.fusion.fused_units, activation="relu", name="attended_dense")(pooled)
    return {"fused": Dropout(rate, "fusion/dropout", name="fusion_dropout")(fused), "attention_weights": weights}


def _gated(name: str, stream: Any, config: Config) -> Any:
    """A modality, at each step as it is or zero, as its controller decides."""
    hidden = keras.layers.Dense(config.fusion.fusion_units, activation="relu", name=f"{name}_controller_hidden")(stream)
    logit = keras.layers.Dense(1, name=f"{name}_controller")(hidden)
    return StraightThroughGate(f"{name}_gate", name=f"{name}_gate")([stream, logit])
