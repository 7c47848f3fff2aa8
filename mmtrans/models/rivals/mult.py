"""Crossmodal transformers: Tsai, Bai, Liang, Kolter, Morency, Salakhutdinov, "Multimodal Transformer for Unaligned
Multimodal Language Sequences", 2019.

Each modality goes through a temporal convolution and gets positions (sections 3.2.1 and 3.2.2). Each attends to each
other one, block after block (eq. 4); their steps need not be the same. What it has read stands side by side, and
attends to itself; its last step is read (section 3.2.4). The last steps of all modalities go through two dense layers
with a bypass, and the score is linear in what comes of them.

The paper leaves open how wide the convolutions are, and how deep the last transformers: here they span one step of
words and three of other modalities, and `fusion_layers` blocks as elsewhere. Of a single modality there is none to
attend to: it attends to itself alone.

Blocks depart from the equations in three things, as the program of the authors does. They add the input to what they
have read, where eq. 4 adds the normalised input: of eight such blocks nothing that tells segments apart comes through
once they have been trained for some steps. What comes of the last block is normalised. Within blocks less is dropped
(`fusion_dropout`) than elsewhere. Unlike that program, this one neither multiplies what it embeds by the square root of
its width, nor adds positions again before a modality attends to itself, nor hides later steps; and blocks have a
normalisation of their own for what they attend to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.layers.attention import LastStep
from mmtrans.layers.crossmodal import CrossmodalBlock, Positions
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.masking import ZeroPadding

#: Steps that a convolution sees of a modality; words are whole by themselves.
_SPANS = {"text": 1}
_SPAN = 3

#: The first format of runs (`RUN_FORMAT`) whose blocks add, normalise and drop as in the program of the authors.
_AS_IN_THE_PROGRAM = 3


def crossmodal_transformers(
    streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config, run_format: int = RUN_FORMAT
) -> Any:
    """What the score is linear in, `(batch, width)`; arguments are those of `subnetworks.summaries`, and what the run
    learns, see `RUN_FORMAT`.

    The width is `fusion_units` for each pair of modalities, in both orders.
    """
    embedded = {name: _embedded(name, stream, masks[name], config) for name, stream in streams.items()}
    read = []
    for name, target in embedded.items():
        others = [other for other in embedded if other != name]
        attended = [
            _blocks(f"{other}_to_{name}", target, embedded[other], masks[other], config, run_format) for other in others
        ]
        joined = (
            keras.layers.Concatenate(name=f"{name}_joined")(attended) if len(attended) > 1 else [*attended, target][0]
        )
        attentive = _blocks(name, joined, None, masks[name], config, run_format)
        last: Any = keras.layers.Dot(1, name=f"{name}_last")
        read.append(last([LastStep(name=f"{name}_is_last")(masks[name]), attentive]))
    vector = keras.layers.Concatenate(name="last_steps")(read) if len(read) > 1 else read[0]
    width, rate = vector.shape[-1], config.regressor.regressor_dropout
    hidden = keras.layers.Dense(width, activation="relu", name="bypassed_0")(vector)
    hidden = Dropout(rate, "fusion/dropout", name="fusion_dropout")(hidden)
    return keras.layers.Add(name="bypass")([vector, keras.layers.Dense(width, name="bypassed_1")(hidden)])


def _embedded(name: str, stream: Any, mask: Any, config: Config) -> Any:
    """A modality as vectors of `fusion_units`, with their positions."""
    rate = config.regressor.regressor_dropout
    stream = Dropout(rate, f"{name}/input_dropout", name=f"{name}_input_dropout")(stream)
    span = _SPANS.get(name, _SPAN)
    units = config.fusion.fusion_units
    convolution = keras.layers.Conv1D(units, span, padding="same", use_bias=False, name=f"{name}_convolution")
    return ZeroPadding(name=f"{name}_padding")([Positions(name=f"{name}_positions")(convolution(stream)), mask])


def _blocks(name: str, target: Any, source: Any, mask: Any, config: Config, run_format: int) -> Any:
    """A target that attends to a source, or to itself where there is none, block after block; in the end normalised."""
    is_new = run_format >= _AS_IN_THE_PROGRAM
    rate = config.fusion.fusion_dropout if is_new else config.regressor.regressor_dropout
    for i in range(config.fusion.fusion_layers):
        block = CrossmodalBlock(target.shape[-1], config.fusion.fusion_heads, rate, is_new, name=f"{name}_{i}")
        target = block([target, target if source is None else source], source_mask=mask)
    return keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(target) if is_new else target
