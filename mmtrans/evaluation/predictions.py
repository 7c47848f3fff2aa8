"""Scores of the labelled segments of a split, with the representations that they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.recipe import Translation
from mmtrans.runs.run import Run
from mmtrans.system.arithmetic import ceil_div
from tfrecords.schema import video_of


@dataclass(frozen=True)
class Predictions:
    """Labelled segments, row by row.

    Attributes:
        ids: `(n,)` segment ids.
        videos: `(n,)` the video of each segment.
        words: `(n,)` what was said, empty where the records have no words.
        scores: `(n,)` float32, predicted.
        labels: `(n,)` float32, true.
        vectors: `sentiment` `(n, dim)` float32, the pooled vector that the score is linear in, and of a translation
            `joint` `(n, dim)`, the mean over the steps of its encoder's output.
    """

    ids: list[str]
    videos: list[str]
    words: list[str]
    scores: np.ndarray
    labels: np.ndarray
    vectors: dict[str, np.ndarray]


def scored_selection(run: Run, split: str) -> Selection:
    """What a run reads of a split to score its labelled segments: those that have all modalities that it reads; where
    it reads whole videos the unlabelled ones too, as neighbours."""
    inputs = run.recipe.inputs
    in_videos = inputs.reads_videos
    return Selection(split, inputs.modalities, labelled=not in_videos, whole_videos=in_videos, apart=run.reads_apart)


def make_scorer(run: Run) -> Callable[[Mapping[str, Any]], dict[str, tf.Tensor]]:
    """A function of a batch, of which it takes what the run reads → `score` `(batch,)` and the vectors of
    `Predictions`."""
    regressor = run.load_regressor()
    model = keras.Model(regressor.model.input, regressor.outputs)
    # The signature has open shapes: one trace serves batches of all lengths.
    specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in model.input.items()}

    @tf.function(input_signature=[specs], autograph=False)
    def score(inputs):
        outputs = model(inputs, training=False)
        found = {"score": outputs["score"], "sentiment": outputs["pooled"]}
        if isinstance(run.recipe, Translation):
            sequence = outputs["sequence"]
            mask = tf.sequence_mask(inputs["source_length"], tf.shape(sequence)[1], sequence.dtype)[:, :, None]
            found["joint"] = tf.reduce_sum(sequence * mask, 1) / tf.reduce_sum(mask, 1)
        return found

    return lambda batch: score({name: batch[name] for name in specs})


def predict_split(
    run: Run, records: Records, split: str, scorer: Callable | None = None, most: int | None = None
) -> Predictions:
    """Scores the labelled segments of a split that have the recipe's inputs.

    Args:
        run: a trained run.
        records: the records, opened with the split.
        split: `train`, `valid` or `test`.
        scorer: what `make_scorer` gave for the run, if it was called already: to trace it takes longer than to run it.
        most: about so many segments are enough, drawn at random; without it all are scored, short ones first, or video
            by video where the run reads whole ones.
    """
    scorer = scorer or make_scorer(run)
    selection = scored_selection(run, split)
    size = run.config.optimisation.batch_size
    shuffle, batches = (None, -1) if most is None else ((0, 0), ceil_div(most, size))
    ids, words, columns = [], [], []
    for batch in make_batches(records, selection, batch_size=size, shuffle=shuffle, tokens=True).take(batches):
        ids += [text.decode() for text in batch["id"].numpy()]
        words += [b" ".join(filter(None, row)).decode() for row in batch["tokens"].numpy()]
        outputs = scorer(batch)
        columns.append({"label": batch["label"].numpy(), **{name: value.numpy() for name, value in outputs.items()}})
    joined = {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
    is_labelled = np.isfinite(joined["label"])
    joined = {name: values[is_labelled] for name, values in joined.items()}
    ids, words = (list(compress(column, is_labelled)) for column in (ids, words))
    videos = [video_of(text) for text in ids]
    return Predictions(ids, videos, words, joined.pop("score"), joined.pop("label"), joined)
