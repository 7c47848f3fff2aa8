"""The representation: everything from raw source features up to the encoder's output, which other phases share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.config.translation import EncoderConfig
from mmtrans.layers.bottleneck import GaussianBottleneck
from mmtrans.layers.encoder import Encoder
from mmtrans.layers.masking import SequenceMask, ZeroPadding
from mmtrans.layers.pieces import Columns
from mmtrans.layers.standardize import Standardize
from mmtrans.models.pieces import read_pieces
from mmtrans.models.rivals.build import build_fusion, feature_blocks, stream_masks
from mmtrans.models.statistics import Statistics
from mmtrans.models.variational import LOG_VARIANCE
from mmtrans.recipe import Features, Fusion, Recipe

#: Name of the model up to standardised features, and of what later models pass on of it.
FEATURES = "features"


def source_inputs(dim: int, streams: int = 1) -> dict[str, Any]:
    """The `Input`s that every model reads: `source (batch, source_steps, dim)` and `source_length (batch,)`, of several
    streams with steps of their own `(batch, streams)`."""
    return {
        "source": keras.Input((None, dim), name="source"),
        "source_length": keras.Input((streams,) if streams > 1 else (), dtype="int32", name="source_length"),
    }


def build_representation(
    recipe: Recipe, config: Config, statistics: Statistics, run_format: int = RUN_FORMAT
) -> keras.Model:
    """The last of `build_chain`'s models: the whole way from raw source features to what comes next."""
    return build_chain(recipe, config, statistics, run_format)[-1]


def build_chain(
    recipe: Recipe, config: Config, statistics: Statistics, run_format: int = RUN_FORMAT
) -> tuple[keras.Model, ...]:
    """The models from raw source features to what comes next: standardised features, or a translation's memory.

    Args:
        recipe: features, or a translation (whose source may be one: the chain of a hierarchical recipe).
        config: units, layers, cell, directions and dropout of the encoders, and what bottleneck follows them.
        statistics: mean and deviation of the modalities that the recipe reads.
        run_format: what the run learns, see `RUN_FORMAT`.

    Returns:
        functional models, each within the next: first the standardised features, then one for each translation,
        innermost first; for a fusion that of `build_fusion`. Each is `{source, source_length}` → `{"memory": (batch,
        source_steps, memory_dim)}`, for a translation also `"final_state": (batch, memory_dim)`. With `bottleneck=vae`
        these are the means of latents, of width `latent_units`, and each has a `"…_log_variance"` of its shape beside
        it; without attention that of the final state is all that passes, and the memory is this one vector, as a
        sequence of one step. With `representation=both` a translation also passes on `"features"`, the standardised
        features that it began with. Where the modalities are read apart, `source_length` is `(batch, modalities)`.
    """
    if isinstance(recipe, Features):
        read = _features(recipe, config, statistics)
        if isinstance(recipe, Fusion):
            return read, build_fusion(recipe, config, statistics, read, run_format)
        return (read,)

    inputs = source_inputs(statistics.dim(recipe.inputs))
    depth = len(recipe.translations)
    earlier = build_chain(recipe.source, config, statistics, run_format)
    encoder = build_encoder(config.encoder, f"encoder_{depth}")

    if depth > 1:
        # The encoders of earlier phases are trained and done: they run without dropout and do not move.
        earlier[-1].trainable = False
    given = earlier[-1](inputs)
    read = given["memory"]
    mask = SequenceMask(name="source_mask")([read, inputs["source_length"]])
    memory, final_state = encoder(read, source_mask=mask)
    encoded = {"memory": memory, "final_state": final_state}
    if config.latent.bottleneck == "vae":
        masks = {"memory": {"source_mask": mask}, "final_state": {}}
        is_single = config.decoder.attention == "none"
        for name in ("final_state",) if is_single else ("memory", "final_state"):
            bottleneck = GaussianBottleneck(config.latent.latent_units, name=f"{name}_bottleneck_{depth}")
            encoded[name], encoded[name + LOG_VARIANCE] = bottleneck(encoded[name], **masks[name])
        if is_single and run_format > 1:
            encoded["memory"] = one_step(encoded["final_state"], "latent_memory")
    if config.regressor.representation == "both":
        encoded[FEATURES] = given.get(FEATURES, read)

    return (*earlier, keras.Model(inputs, encoded, name=f"representation_{depth}"))


def _features(recipe: Features, config: Config, statistics: Statistics) -> keras.Model:
    """The model up to standardised features, zero in the padding of each modality."""
    dim, names = statistics.dim(recipe), recipe.modalities
    if not statistics.reads_apart(recipe):
        inputs = source_inputs(dim)
        mask = SequenceMask(name="source_mask")(list(inputs.values()))
        features = _standardized(recipe, config, statistics, inputs["source"], mask)
        memory = ZeroPadding(name="zero_padding")([features, mask])
        return keras.Model(inputs, {"memory": memory}, name=FEATURES)

    inputs = source_inputs(dim, len(names))
    masks = stream_masks(names, *inputs.values())
    features = _standardized(recipe, config, statistics, inputs["source"], masks.get("text"))
    blocks = feature_blocks(recipe, statistics, features.shape[-1])
    streams = [
        ZeroPadding(name=f"{name}_padding")([Columns([block], name=f"{name}_columns")(features), masks[name]])
        for name, block in blocks.items()
    ]
    memory = keras.layers.Concatenate(name="streams")(streams)
    return keras.Model(inputs, {"memory": memory}, name=FEATURES)


def _standardized(recipe: Features, config: Config, statistics: Statistics, source: Any, mask: Any) -> Any:
    """Standardised features; of words that come as pieces, the vectors of the text encoder in front. The mask is that
    of words."""
    mean, std = statistics.source(recipe)
    pieces = statistics.pieces
    if pieces is None or "text" not in recipe.modalities:
        return Standardize(mean, std, name="standardize_source")(source)
    block = statistics.blocks(recipe)["text"]
    vectors = read_pieces(pieces, block, config.text, source, mask)
    start, stop = block[0], block[0] + pieces.columns
    kept = [(first, last) for first, last in ((0, start), (stop, len(mean))) if first < last]
    if not kept:
        return vectors
    rest = Columns(kept, name="other_columns")(source)
    mean, std = (np.concatenate([values[:start], values[stop:]]) for values in (mean, std))
    rest = Standardize(mean, std, name="standardize_source")(rest)
    if isinstance(recipe, Fusion) and start:
        # Each modality stays in its place.
        before = Columns([(0, start)], name="columns_before")(rest)
        after = [Columns([(start, len(mean))], name="columns_after")(rest)] if start < len(mean) else []
        return keras.layers.Concatenate(name="words_and_features")([before, vectors, *after])
    return keras.layers.Concatenate(name="words_and_features")([vectors, rest])


def build_encoder(encoder: EncoderConfig, name: str) -> Encoder:
    """The encoder of a translation, by this name."""
    return Encoder(encoder.units, encoder.cell, encoder.num_layers, encoder.bidirectional, encoder.dropout, name=name)


def one_step(vector: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A vector `(batch, dim)` as a sequence of one step, by a layer of this name."""
    return keras.layers.Reshape((1, vector.shape[-1]), name=name)(vector)
