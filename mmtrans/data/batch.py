"""What a batch holds: parsed records as the source of a model, and as its target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from mmtrans.data.codebook import Codebook
from mmtrans.data.videos import numbers_of
from mmtrans.layers.tokens import BOS, EOS


@dataclass(frozen=True)
class Selection:
    """What a phase of a recipe reads.

    Attributes:
        split: `train`, `valid` or `test`.
        source: modalities, concatenated in this order.
        target: modalities to translate into, concatenated in this order; empty for a regression.
        labelled: whether only segments with a label are read.
        lacking: only segments that do not have all of these modalities, if any are named.
        whole_videos: whether a batch holds all segments of its videos that are selected, for a model that reads a
            segment's neighbours.
        apart: whether each modality of the source is read at its own steps, and not step by step with the others.

    Example:
        ```pycon
        >>> selection = api.Selection("train", source=("text",), target=("audio",))
        >>> selection.split, selection.labelled
        ('train', False)
        ```
    """

    split: str
    source: tuple[str, ...]
    target: tuple[str, ...] = ()
    labelled: bool = False
    lacking: tuple[str, ...] = ()
    whole_videos: bool = False
    apart: bool = False

    @property
    def modalities(self) -> tuple[str, ...]:
        """Every modality read, once each."""
        return tuple(dict.fromkeys(self.source + self.target))


def to_batch(parsed: dict[str, tf.Tensor], selection: Selection, codebook: Codebook | None) -> dict[str, tf.Tensor]:
    """A batch as `make_batches` gives it.

    Args:
        parsed: what `parse_batch` gives.
        selection: what is read.
        codebook: turns the target into token ids.
    """
    batch = {name: parsed[name] for name in ("id", "label", "tokens") if name in parsed}
    read = side_by_side if selection.apart else _concat
    batch["source"], batch["source_length"] = read(parsed, selection.source)
    if selection.whole_videos:
        batch |= numbers_of(batch["id"])
    if not selection.target:
        return batch
    target, length = _concat(parsed, selection.target)
    if codebook is None:
        decoder_input = tf.pad(target, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        return {**batch, "target": target, "target_length": length, "decoder_input": decoder_input}
    words = parsed["tokens"][:, : tf.shape(target)[1]] if codebook.is_words else None
    return {**batch, "target_features": target, **token_target(codebook.encode(words, target), length)}


def token_target(ids: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
    """Targets and decoder inputs of token streams.

    Args:
        ids: `(batch, steps)` int32.
        length: `(batch,)` int32, valid ids of each row.

    Returns:
        `target` and `decoder_input` `(batch, steps + 1)` int32: EOS ends a target and fills it up, BOS begins a decoder
        input. `target_length` `(batch,)` int32 counts EOS.
    """
    ids = tf.pad(ids, [[0, 0], [0, 1]])
    target = tf.where(tf.sequence_mask(length, tf.shape(ids)[1]), ids, EOS)
    decoder_input = tf.pad(target[:, :-1], [[0, 0], [1, 0]], constant_values=BOS)
    return {"target": target, "decoder_input": decoder_input, "target_length": length + 1}


def _concat(parsed: dict[str, tf.Tensor], modalities: tuple[str, ...]) -> tuple[tf.Tensor, tf.Tensor]:
    """Modalities side by side, trimmed to the longest: `(batch, steps, dim)` float32 and `(batch,)` int32."""
    length = tf.cast(parsed[f"{modalities[0]}/length"], tf.int32)
    steps = tf.reduce_max(tf.concat([length, [1]], axis=0))
    return tf.concat([parsed[modality][:, :steps] for modality in modalities], axis=-1), length


def side_by_side(parsed: Mapping[str, tf.Tensor], modalities: Iterable[str]) -> tuple[tf.Tensor, tf.Tensor]:
    """Modalities with steps of their own, filled up with zeros to the longest of all.

    Args:
        parsed: what `parse_batch` gives.
        modalities: which, in this order.

    Returns:
        `(batch, steps, sum of dims)` float32, and the steps of each, `(batch, modalities)` int32.
    """
    lengths = tf.stack([tf.cast(parsed[f"{modality}/length"], tf.int32) for modality in modalities], 1)
    steps = tf.maximum(tf.reduce_max(lengths), 1)
    cut = [parsed[modality][:, :steps] for modality in modalities]
    filled = [tf.pad(values, [[0, 0], [0, steps - tf.shape(values)[1]], [0, 0]]) for values in cut]
    return tf.concat(filled, -1), lengths
