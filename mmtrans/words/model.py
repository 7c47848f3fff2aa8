"""A text encoder as a functional model: pieces in, hidden states out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from mmtrans.layers.masking import SequenceMask
from mmtrans.layers.transformer import DEVIATION, PieceEmbeddings, TransformerBlock
from mmtrans.words.settings import EncoderSettings


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder and its parts.

    Attributes:
        model: `{"pieces": (batch, steps) int32, "length": (batch,) int32}` → `{"layer_6": (batch, steps, width), …}`,
            one entry for each layer that was asked for; 0 is what the embeddings give.
        embeddings: the layer of the embeddings.
        blocks: the blocks, first to last.
    """

    model: keras.Model
    embeddings: PieceEmbeddings
    blocks: tuple[TransformerBlock, ...]


def build_text_encoder(
    settings: EncoderSettings, layers: Sequence[int], dropout: float = 0.0, *, deviation: float = DEVIATION
) -> TextEncoder:
    """Builds the encoder (Devlin et al. 2019), with random weights; `mmtrans.words.weights.load_weights` fills them in.

    Args:
        settings: the sizes.
        layers: the layers whose hidden states are given, from 0, the embeddings, to `settings.num_layers`. Blocks above
            the last of them are left out.
        dropout: share of embeddings, attention weights and outputs that training drops.
        deviation: standard deviation of the random weights; 0 where all of them are to be replaced.

    Raises:
        ValueError: a layer that the encoder does not have.
    """
    settings.check_layers(layers)
    embeddings = PieceEmbeddings(
        settings.vocabulary,
        settings.places,
        settings.first_place,
        settings.num_types,
        settings.width,
        settings.epsilon,
        dropout,
        deviation,
        name="embeddings",
    )
    blocks = tuple(
        TransformerBlock(
            settings.width,
            settings.num_heads,
            settings.inner,
            settings.activation,
            settings.epsilon,
            dropout,
            deviation,
            name=f"block_{number}",
        )
        for number in range(1, max(layers) + 1)
    )
    pieces = keras.Input((None,), dtype="int32", name="pieces")
    length = keras.Input((), dtype="int32", name="length")
    states = [embeddings(pieces)]
    mask = SequenceMask(name="mask")([states[0], length])
    for block in blocks:
        states.append(block(states[-1], source_mask=mask))
    outputs = {f"layer_{layer}": states[layer] for layer in layers}
    model = keras.Model({"pieces": pieces, "length": length}, outputs, name="text_encoder")
    return TextEncoder(model, embeddings, blocks)
