"""Multi-view LSTM: Rajagopalan, Morency, Baltrušaitis, Goecke, "Extending Long Short-Term Memory for Multi-View
Structured Learning", 2016.

Each modality has its share of one LSTM's memory. Its gates read its own input, a share α of its own outputs of the step
before, and a share β of each other modality's. The paper has four topologies, of which α and β are the ends and one
point between. The score is linear in the last outputs.

The paper leaves open which of the outputs a share is: here the first ones are read by the modality itself and the last
ones by the others, so that in a hybrid each output is read by one side alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmtrans.config import Config
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.multiview import MultiViewLSTM
from mmtrans.models.rivals.views import at_last_step, dropped, units_of

#: Topology → the shares of its own and of the others' outputs that a modality reads, α and β.
TOPOLOGIES = {
    "view-specific": (1.0, 0.0),
    "coupled": (0.0, 1.0),
    "fully-connected": (1.0, 1.0),
    "hybrid": (2 / 3, 1 / 3),
}


def multi_view_lstm(streams: Mapping[str, Any], mask: Any, config: Config) -> Any:
    """What the score is linear in, `(batch, units of all modalities)`; arguments are those of
    `subnetworks.summaries`, but for one mask of all modalities."""
    own, others = TOPOLOGIES[config.fusion.fusion_topology]
    layer = MultiViewLSTM(units_of(streams, config), own, others, name="multi_view_lstm")
    outputs, _ = layer(dropped(streams, config))
    rate = config.regressor.regressor_dropout
    return Dropout(rate, "fusion/dropout", name="fusion_dropout")(at_last_step(outputs, mask))
