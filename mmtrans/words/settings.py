"""What `config.json` of a text encoder says: its family and its sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrecords.stored import read_json, shown

CONFIG_NAME = "config.json"

#: Architectures that are read; MiniLM, BGE and E5-small are BERT's.
FAMILIES = ("bert", "distilbert", "roberta")

#: Names of the activations that `mmtrans.layers.transformer` has: nothing here waits for TensorFlow.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")

#: Field of `EncoderSettings` → key of `config.json`, and DistilBERT's where it has another.
_KEYS = {
    "width": ("hidden_size", "dim"),
    "num_layers": ("num_hidden_layers", "n_layers"),
    "num_heads": ("num_attention_heads", "n_heads"),
    "inner": ("intermediate_size", "hidden_dim"),
    "places": ("max_position_embeddings", "max_position_embeddings"),
    "vocabulary": ("vocab_size", "vocab_size"),
}

#: More than any encoder has; a larger number is damage.
_MOST = {"num_layers": 256, "num_heads": 1024, "width": 1 << 16, "inner": 1 << 18, "places": 1 << 20}
_MOST_PIECES = 1 << 24

_REMEDY = "Give a folder of a BERT, DistilBERT or RoBERTa encoder, as its authors publish it."


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """Sizes of a text encoder.

    Attributes:
        family: one of `FAMILIES`.
        width: size of a hidden state.
        num_layers: number of blocks.
        num_heads: heads of each attention.
        inner: units of the feed-forward layers.
        activation: name of their activation.
        epsilon: added to the variance in normalisations.
        places: rows of the table of positions.
        first_place: row of the first piece.
        vocabulary: number of pieces.
        num_types: segment types, 0 for none.
    """

    family: str
    width: int
    num_layers: int
    num_heads: int
    inner: int
    activation: str
    epsilon: float
    places: int
    first_place: int
    vocabulary: int
    num_types: int

    @property
    def most_pieces(self) -> int:
        """Pieces that one reading takes, the first and the last mark included."""
        return self.places - self.first_place

    @property
    def last_layers(self) -> tuple[int, ...]:
        """The layers that are taken where nobody chooses: the last three."""
        return tuple(range(max(self.num_layers - 2, 1), self.num_layers + 1))

    def check_layers(self, layers: Sequence[int]) -> None:
        """Raises a ValueError for layers that the encoder does not have, none at all, or one that is given twice."""
        strange = [layer for layer in layers if not 0 <= layer <= self.num_layers]
        if strange or not layers or len(set(layers)) < len(layers):
            raise ValueError(
                f"These are no layers of the text encoder. Expected different numbers from 0, its embeddings, to "
                f"{self.num_layers}. Received: layers={list(layers)}. Choose others."
            )

    @classmethod
    def read(cls, directory: Path) -> EncoderSettings:
        """Reads `directory/config.json`.

        Raises:
            FileNotFoundError: there is none.
            ValueError: another architecture, or sizes that no encoder has.
        """
        path = directory / CONFIG_NAME
        content = read_json(path, dict[str, Any], _REMEDY)
        family = content.get("model_type")
        if family not in FAMILIES:
            raise _refused(path, f"one of {list(FAMILIES)}", f"model_type={shown(family)}")
        if content.get("position_embedding_type", "absolute") != "absolute":
            kind = content["position_embedding_type"]
            raise _refused(path, "absolute positions", f"position_embedding_type={shown(kind)}")
        column = int(family == "distilbert")
        sizes = {
            name: _size(content, keys[column], _MOST.get(name, _MOST_PIECES), path) for name, keys in _KEYS.items()
        }
        if sizes["width"] % sizes["num_heads"]:
            raise _refused(path, "heads that divide the width", f"{sizes['num_heads']} heads, width={sizes['width']}")
        activation = content.get(("hidden_act", "activation")[column], "gelu")
        if activation not in ACTIVATIONS:
            raise _refused(path, f"one of {list(ACTIVATIONS)}", f"activation={shown(activation)}")
        epsilon = content.get("layer_norm_eps", 1e-12)
        if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not 0 < epsilon < 1:
            raise _refused(path, "a small positive number", f"layer_norm_eps={shown(epsilon)}")
        first_place, pad = 0, content.get("pad_token_id", 1)
        if family == "roberta":
            # Its positions are counted from the number after that of the padding.
            first_place = (pad if isinstance(pad, int) and 0 <= pad < sizes["places"] else 1) + 1
        if sizes["places"] - first_place < 3:
            raise _refused(path, "room for a piece and its two marks", f"{sizes['places']} positions")
        num_types = 0 if family == "distilbert" else _size(content, "type_vocab_size", 64, path, default=2)
        return cls(
            family=family,
            activation=activation,
            epsilon=float(epsilon),
            first_place=first_place,
            num_types=num_types,
            **sizes,
        )


def _size(content: Mapping[str, Any], key: str, most: int, path: Path, default: int | None = None) -> int:
    value = content.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _refused(path, f"{key} as an integer from 1 to {most}", f"{key}={shown(value)}")
    return value


def _refused(path: Path, expected: str, received: str) -> ValueError:
    return ValueError(
        f"The text encoder is of a kind that is not read. Expected {expected}. Received: {received} ({path}). {_REMEDY}"
    )
