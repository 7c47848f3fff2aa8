"""Context over the segments of a video: Poria, Cambria, Hazarika, Majumder, Zadeh, Morency, "Context-Dependent
Sentiment Analysis in User-Generated Videos", 2017: bc-LSTM, in its hierarchical framework.

Each segment becomes a vector of each modality. For each modality a bidirectional LSTM reads these vectors along the
video (the paper's level 1), and another one reads what those give, side by side (level 2). A dense layer follows, and
the score is linear in it. Of a single modality there is no level 2, as in the paper's unimodal models.

A batch holds whole videos, and the score of a segment depends on all segments of its video that are there.

The paper extracts the vectors first, by models that are trained apart, and trains level 1 before level 2. Here all is
trained at once, and a vector is the final state of a recurrent layer that reads the segment's steps, as in `late`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtrans.config import Config
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import AlongVideos
from mmtrans.models.rivals.late import final_states


def contextual_lstms(
    streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config, video_number: Any, segment_number: Any
) -> Any:
    """What the score is linear in, `(batch, fused_units)`.

    Args:
        streams: modality → `(batch, steps, dim)` float32, standardised.
        masks: modality → `(batch, steps)` bool, true at its valid steps.
        config: sizes and dropout.
        video_number: `(batch,)` integer, equal for the segments of a video.
        segment_number: `(batch,)` integer, which rises within a video.
    """
    units, rate = config.fusion.fused_units, config.regressor.regressor_dropout

    def along(vectors: Any, width: int, name: str) -> Any:
        return AlongVideos(width, rate, name=name)([vectors, video_number, segment_number])

    states = final_states(streams, masks, config)
    read = [along(state, config.fusion.fusion_units, f"{name}_context") for name, state in states.items()]
    context = read[0]
    if len(read) > 1:
        context = along(keras.layers.Concatenate(name="contexts")(read), units, "joint_context")
    context = Dropout(rate, "context/dropout", name="context_dropout")(context)
    fused = keras.layers.Dense(units, activation="relu", name="context_dense")(context)
    return Dropout(rate, "fusion/dropout", name="fusion_dropout")(fused)
