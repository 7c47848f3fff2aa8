"""The text encoder within a model: it reads the pieces of words, whose columns stand first among those of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from mmtrans.config.text import ALL, TextConfig
from mmtrans.layers.pieces import Columns, PieceSequence, WordMeans
from mmtrans.layers.transformer import PieceEmbeddings, TransformerBlock
from mmtrans.words.columns import PieceColumns
from mmtrans.words.model import TextEncoder, build_text_encoder

#: Name of the encoder's model within others.
TEXT_ENCODER = "text_encoder"


def read_pieces(pieces: PieceColumns, block: tuple[int, int], config: TextConfig, source: Any, mask: Any) -> Any:
    """The vectors of words `(batch, steps, width)`: means of the encoder's last hidden states over each word's pieces.

    Args:
        pieces: the columns of pieces, and their encoder.
        block: start and stop of text among the columns of the source.
        config: which layers of the encoder move.
        source: `(batch, steps, dim)` float32, raw features.
        mask: `(batch, steps)` bool, true at words.
    """
    start = block[0]
    ids = Columns([(start, start + pieces.columns)], name="piece_columns")(source)
    sequence = PieceSequence(pieces.begin, pieces.end, pieces.most, name="piece_sequence")(ids, source_mask=mask)
    last = pieces.settings.num_layers
    encoder = build_text_encoder(pieces.settings, [last], config.text_dropout)
    free_layers(encoder, config.tune_text_encoder)
    states: Any = encoder.model({"pieces": sequence["pieces"], "length": sequence["length"]})
    return WordMeans(name="word_means")(states[f"layer_{last}"], piece_steps=sequence["steps"], source_mask=mask)


def free_layers(encoder: TextEncoder, tuned: str) -> None:
    """Lets the top layers of an encoder move, and nothing else of it.

    Args:
        encoder: the encoder.
        tuned: how many, or `all` with the embeddings; see `TextConfig`.
    """
    moving = len(encoder.blocks) if tuned == ALL else int(tuned)
    encoder.embeddings.trainable = tuned == ALL
    for number, block in enumerate(encoder.blocks):
        block.trainable = number >= len(encoder.blocks) - moving


def find_text_encoder(model: keras.Model) -> TextEncoder | None:
    """The text encoder within a model, however deep; `None` where it has none."""
    found: Any = next(models_named(model, TEXT_ENCODER), None)
    if found is None:
        return None
    blocks = [layer for layer in found.layers if isinstance(layer, TransformerBlock)]
    embeddings = next(layer for layer in found.layers if isinstance(layer, PieceEmbeddings))
    return TextEncoder(found, embeddings, tuple(sorted(blocks, key=lambda block: int(block.name.split("_")[1]))))


def models_named(model: Any, name: str) -> Iterator[keras.Model]:
    """The models of this name within a model, however deep."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            if layer.name == name:
                yield layer
            yield from models_named(layer, name)
