"""Measurement of beam search: a tokens model with random weights, MOSI's source lengths."""

from __future__ import annotations

import time

import keras
import numpy as np
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.decoding.options import SearchOptions
from mmtrans.models.build import build_translator
from mmtrans.models.statistics import Statistics
from mmtrans.models.translator import Translator
from mmtrans.recipe import Features, Translation
from tools.benchmark_figures import Results, spread
from tools.benchmark_lengths import mosi_lengths
from tools.benchmark_options import Options
from tools.benchmark_process import peak_rss_mib
from tools.benchmark_train import DIMS

BEAM_WIDTH, VOCABULARY, MAX_STEPS = 10, 512, 50

#: Gives 32 lengths up to 33 steps, 12 on average; the comparators' own 32 are up to 32 steps, 10.4 on average.
LENGTHS_SEED = 1

#: Searches for each measured epoch: one takes a fraction of a second.
SEARCHES_PER_EPOCH = 3


def decode_translator(options: Options) -> Translator:
    """text → tokens with random weights: bidirectional encoder, plain Bahdanau attention, input feeding."""
    keras.utils.set_random_seed(0)
    config = Config(
        target="tokens",
        units=options.units,
        attention_units=options.units,
        decoder_units=options.units,
        embedding_units=options.units,
        max_distance=0,
    )
    statistics = Statistics(
        {name: np.zeros(dim) for name, dim in DIMS.items()}, {name: np.ones(dim) for name, dim in DIMS.items()}
    )
    recipe = Translation(Features(("text",)), Features(("audio",)))
    return build_translator(recipe, config, statistics, VOCABULARY)


def measure_decode(options: Options) -> Results:
    """Searches of one batch of random features, EOS allowed at any step, with length penalty 1.

    Returns:
        `beam_tokens_per_s` (steps × batch × beams a second) and `search_s` of the searches after the first, which
        traces (`first_search_s`); `steps` that were searched, `source_steps` and `mean_length` of the batch,
        and `peak_rss_mib`.
    """
    translator = decode_translator(options)
    lengths = mosi_lengths(options.batch_size, seed=LENGTHS_SEED).astype(np.int32)
    source = np.random.default_rng(1).standard_normal((len(lengths), lengths.max(), DIMS["text"]), np.float32)
    search_options = SearchOptions(beam_width=BEAM_WIDTH, length_penalty=1.0)

    @tf.function(input_signature=[tf.TensorSpec([None, None, DIMS["text"]]), tf.TensorSpec([None], tf.int32)])
    def search(source, source_length):
        limits = (tf.zeros_like(source_length), tf.fill(tf.shape(source_length), MAX_STEPS - 1))
        return translator.search(source, source_length, limits, search_options)

    inputs, seconds = (tf.constant(source), tf.constant(lengths)), []
    for _ in range(1 + SEARCHES_PER_EPOCH * options.epochs):
        start = time.perf_counter()
        steps = search(*inputs).ids.numpy().shape[2]
        seconds.append(time.perf_counter() - start)
    first, *others = seconds
    return {
        **spread("beam_tokens_per_s", [steps * len(lengths) * BEAM_WIDTH / s for s in others], 0),
        **spread("search_s", others, 4),
        "first_search_s": round(first, 2),
        "steps": steps,
        "source_steps": int(lengths.max()),
        "mean_length": round(float(lengths.mean()), 1),
        "peak_rss_mib": peak_rss_mib(),
    }
