"""The fields of a configuration that a text encoder reads, where records hold the pieces of words."""

from __future__ import annotations

from dataclasses import dataclass

from mmtrans.config.conditions import BOTH, READS_TEXT
from mmtrans.config.fields import Section, added, unless
from tfrecords.stored import shown

#: The value of `tune_text_encoder` with which embeddings and all layers move.
ALL = "all"

#: More layers than any encoder has.
_MOST_LAYERS = 1000


def _layers(text: str) -> str:
    if text == ALL:
        return text
    if not text.isascii() or not text.isdecimal() or int(text[:9]) > _MOST_LAYERS:
        raise ValueError(
            f"tune_text_encoder is no number of layers. Expected 0 to {_MOST_LAYERS}, or {ALL}. "
            f"Received: tune_text_encoder={shown(text)}. Give how many of the top layers are to move."
        )
    return str(int(text))


TUNES = unless("tune_text_encoder", "0")


@dataclass(frozen=True, kw_only=True)
class TextConfig(Section):
    """What moves of the text encoder that reads the pieces of words."""

    tune_text_encoder: str = added(
        "0",
        "top layers that move, or all",
        BOTH,
        (READS_TEXT,),
        canonical=_layers,
    )
    text_learning_rate: float = added(
        5e-5, "largest learning rate of these layers", BOTH, (READS_TEXT, TUNES), low=1e-8, high=1.0, help_place="rare"
    )
    text_epochs: float = added(
        5.0,
        "epochs in which that rate rises and falls to nothing, each in a line",
        BOTH,
        (READS_TEXT, TUNES),
        low=0.1,
        help_place="rare",
    )
    text_warmup: float = added(
        0.1, "share of those epochs in which it rises", BOTH, (READS_TEXT, TUNES), low=0.0, high=1.0, help_place="rare"
    )
    text_weight_decay: float = added(
        0.01,
        "decay of the kernels of these layers, times the rate at each step",
        BOTH,
        (READS_TEXT, TUNES),
        low=0.0,
        high=1.0,
        help_place="rare",
    )
    text_dropout: float = added(
        0.1, "dropout within these layers", BOTH, (READS_TEXT, TUNES), low=0.0, high=0.95, help_place="rare"
    )
