"""Memory fusion: Zadeh, Liang, Mazumder, Poria, Cambria, Morency, "Memory Fusion Network for Multi-view Sequential
Learning", 2018.

Each modality has an LSTM of its own (the paper's "System of LSTMs"). At each step a network weighs all their cells, of
this step and of the one before ("Delta-memory Attention Network"). From what it lets pass, others propose an update of
one memory, and the gates that retain the memory and that write the update ("Multi-view Gated Memory"). The score is
linear in the LSTMs' last outputs and the last memory.

No network reads that memory, so all of them see all steps at once; what runs step by step is the LSTMs, side by side,
and the sum of what is retained and written. In the program of the authors the gates read the memory too; in the paper
they do not, nor here. The paper leaves the networks open: here each has one hidden layer of `fused_units`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtrans.config import Config
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.gated import GatedMemory, WithStepBefore
from mmtrans.layers.multiview import MultiViewLSTM
from mmtrans.models.rivals.views import at_last_step, dropped, units_of


def memory_fusion(streams: Mapping[str, Any], mask: Any, config: Config) -> Any:
    """What the score is linear in, `(batch, units of all modalities + fused_units)`; arguments are those of
    `subnetworks.summaries`, but for one mask of all modalities."""
    system = MultiViewLSTM(units_of(streams, config), name="system_of_lstms")
    outputs, cells = system(dropped(streams, config))
    delta = WithStepBefore(name="delta_memory")(cells)
    attention = _network("delta_attention", delta, delta.shape[-1], "softmax", config)
    attended = keras.layers.Multiply(name="attended_memory")([attention, delta])
    retain, write, update = (
        _network(name, attended, config.fusion.fused_units, activation, config)
        for name, activation in (("retain", "sigmoid"), ("write", "sigmoid"), ("update", "tanh"))
    )
    memory = GatedMemory(name="gated_memory")([retain, write, update], source_mask=mask)
    fused = keras.layers.Concatenate(name="outputs_and_memory")([at_last_step(outputs, mask), memory])
    return Dropout(config.regressor.regressor_dropout, "fusion/dropout", name="fusion_dropout")(fused)


def _network(name: str, inputs: Any, units: int, activation: str, config: Config) -> Any:
    """A dense layer above a hidden one, at every step: `(batch, steps, units)`."""
    hidden = keras.layers.Dense(config.fusion.fused_units, activation="relu", name=f"{name}_hidden")(inputs)
    hidden = Dropout(config.regressor.regressor_dropout, f"{name}/dropout", name=f"{name}_dropout")(hidden)
    return keras.layers.Dense(units, activation=activation, name=name)(hidden)
