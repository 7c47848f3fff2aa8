"""Low-rank fusion: Liu, Shen, Lakshminarasimhan, Liang, Zadeh, Morency, "Efficient Low-rank Multimodal Fusion with
Modality-Specific Factors", 2018.

The same vectors as in tensor fusion. A dense layer reads their outer product; its rank is so low that the product is
never made (eq. 8 to 10).

The paper leaves open what follows; here the score is linear in it. The program of its authors weighs the terms of the
sum over the rank; the paper has no such weights, and nor has this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmtrans.config import Config
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.fusion import LowRankProduct
from mmtrans.models.rivals.subnetworks import summaries


def low_rank_fusion(streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config) -> Any:
    """What the score is linear in, `(batch, fused_units)`; arguments are those of `summaries`."""
    product = LowRankProduct(config.fusion.fused_units, config.fusion.fusion_rank, name="low_rank_product")
    fused = product(summaries(streams, masks, config))
    return Dropout(config.regressor.regressor_dropout, "fusion/dropout", name="fusion_dropout")(fused)
