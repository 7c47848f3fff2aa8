"""Multi-attention recurrence: Zadeh, Liang, Poria, Vij, Cambria, Morency, "Multi-attention Recurrent Network for Human
Communication Comprehension", 2018.

Each modality has an LSTM, whose gates also read a code of what all modalities said one step before (the paper's
"Long-short Term Hybrid Memory"). Several attentions over all outputs, a layer that reduces what they let pass of each
modality, and one that joins these make the next code ("Multi-attention Block"). The score is linear in the last
outputs and the last code.

The paper calls the networks of that block deep and leaves them open: here each is one layer, with softmax, ReLU and
tanh. Each modality is reduced to `fusion_units`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmtrans.config import Config
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.multiattention import MultiAttentionLSTM
from mmtrans.models.rivals.views import at_last_step, dropped, units_of


def multi_attention_recurrence(streams: Mapping[str, Any], mask: Any, config: Config) -> Any:
    """What the score is linear in, `(batch, units of all modalities + fused_units)`; arguments are those of
    `subnetworks.summaries`, but for one mask of all modalities."""
    sizes = config.fusion
    layer = MultiAttentionLSTM(
        units_of(streams, config), sizes.fusion_units, sizes.fused_units, sizes.fusion_heads, name="multi_attention"
    )
    fused = at_last_step(layer(dropped(streams, config)), mask)
    return Dropout(config.regressor.regressor_dropout, "fusion/dropout", name="fusion_dropout")(fused)
