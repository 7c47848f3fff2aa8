"""Builds the model of a fusion: from raw features to the vector that the score is linear in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.config.sections import FusionConfig
from mmtrans.layers.attention import MeanPooling
from mmtrans.layers.masking import SequenceMask
from mmtrans.layers.pieces import Columns
from mmtrans.models.losses import Term
from mmtrans.models.rivals.bclstm import contextual_lstms
from mmtrans.models.rivals.gme import gated_embedding
from mmtrans.models.rivals.late import late_fusion
from mmtrans.models.rivals.lmf import low_rank_fusion
from mmtrans.models.rivals.marn import multi_attention_recurrence
from mmtrans.models.rivals.mfn import memory_fusion
from mmtrans.models.rivals.misa import shared_and_private, subspace_terms
from mmtrans.models.rivals.mult import crossmodal_transformers
from mmtrans.models.rivals.mvlstm import multi_view_lstm
from mmtrans.models.rivals.tfn import tensor_fusion
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import OWN_STEPS, Features, Fusion

#: What a fusion adds to the features that it has read: a vector, and weights over the steps.
FUSED, WEIGHTS = "fused", "attention_weights"

#: What a method that reads whole videos reads beside the features: which video a segment is of, and its number there.
NUMBERS = ("video_number", "segment_number")

#: Method → builds its layers, from the modalities' streams up to that vector; where the method has losses or
#: weights over the steps of its own, a dict of it, `FUSED`, and of these and what they read. Methods of `OWN_STEPS` are
#: given a mask for each modality, the others one mask. One that reads whole videos is given `NUMBERS`, too.
METHODS: Mapping[str, Callable[..., Any]] = {
    "tfn": tensor_fusion,
    "lmf": low_rank_fusion,
    "mult": crossmodal_transformers,
    "misa": shared_and_private,
    "mfn": memory_fusion,
    "marn": multi_attention_recurrence,
    "mvlstm": multi_view_lstm,
    "gme": gated_embedding,
    "bclstm": contextual_lstms,
    "late": late_fusion,
}

#: Method → its own losses' terms, beside that of the score: of what it gives, a batch, and the fields of fusions.
OWN_TERMS: Mapping[str, Callable[[Any, Any, FusionConfig], list[Term]]] = {"misa": subspace_terms}


def build_fusion(
    recipe: Fusion, config: Config, statistics: Statistics, features: keras.Model, run_format: int = RUN_FORMAT
) -> keras.Model:
    """The model of a fusion above the features' model, which is a layer of it.

    Args:
        recipe: the fusion.
        config: sizes and dropout.
        statistics: mean and deviation of the modalities that the recipe reads.
        features: the features' model.
        run_format: what the run learns, see `RUN_FORMAT`.

    Returns:
        `{source, source_length}` → `{"memory": (batch, steps, dim), "fused": (batch, width), "attention_weights":
        (batch, steps)}`: the features that were read, what the score is linear in, and where the model looks. Of a
        method without one weight a step, these are equal at valid steps. What the method's own losses read stands
        beside these. A method that reads whole videos has the inputs `video_number` and `segment_number` `(batch,)`
        int64 too. Where modalities are read apart, `source_length` is `(batch, modalities)`, the steps of each.
    """
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in features.input.items()
    }
    memory = features(inputs)["memory"]
    numbers = {name: keras.Input((), dtype="int64", name=name) for name in NUMBERS if recipe.reads_videos}
    mask = SequenceMask(name="fusion_mask")([memory, inputs["source_length"]])
    masks = dict.fromkeys(recipe.modalities, mask)
    if statistics.reads_apart(recipe):
        masks = stream_masks(recipe.modalities, memory, inputs["source_length"])
    streams = {
        name: Columns([block], name=f"{name}_stream")(memory)
        for name, block in feature_blocks(recipe, statistics, memory.shape[-1]).items()
    }
    formats = {"run_format": run_format} if recipe.method == "mult" else {}
    read = METHODS[recipe.method](streams, masks if recipe.method in OWN_STEPS else mask, config, **numbers, **formats)
    fused = read if isinstance(read, dict) else {FUSED: read}
    if WEIGHTS not in fused:
        _, fused[WEIGHTS] = MeanPooling(name="equal_weights")(memory, source_mask=mask)
    return keras.Model({**inputs, **numbers}, {"memory": memory, **fused}, name="fusion")


def stream_masks(names: Sequence[str], sequence: Any, lengths: Any) -> dict[str, Any]:
    """Modality → the mask `(batch, steps)` of its own steps, given those of all, `(batch, modalities)`."""
    return {name: SequenceMask(i, name=f"{name}_mask")([sequence, lengths]) for i, name in enumerate(names)}


def feature_blocks(recipe: Features, statistics: Statistics, dim: int) -> dict[str, tuple[int, int]]:
    """Modality → its columns of the features; words that came as pieces are as wide as their vectors."""
    wider = dim - statistics.dim(recipe)
    blocks, start = {}, 0
    for name, (first, last) in statistics.blocks(recipe).items():
        stop = start + last - first + (wider if name == "text" else 0)
        blocks[name] = (start, stop)
        start = stop
    return blocks
