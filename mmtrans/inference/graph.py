"""The serving graph of a run: one concrete function a signature, with cleaning and normalisation inside."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from mmtrans.data.batch import side_by_side
from mmtrans.data.codebook import Codebook
from mmtrans.data.videos import numbers_of
from mmtrans.decoding.options import SearchOptions
from mmtrans.inference.influence import Parts
from mmtrans.inference.inputs import check_options, clean_numbers, clean_source, lost_cells, with_a_row
from mmtrans.layers.encoder import AlongVideos, Encoder
from mmtrans.models.parts import after_features, features_model
from mmtrans.models.regressor import Regressor
from mmtrans.models.rivals.build import NUMBERS
from mmtrans.models.translator import Translator
from mmtrans.runs.environment import halves_of
from mmtrans.runs.run import Run
from tfrecords.reader import parse_batch

#: Name of a scalar input → its dtype, and the default of `mmtrans translate`.
Scalars = Mapping[str, tuple[tf.DType, bool | int | float]]

#: The scalar inputs of a search.
SEARCH_INPUTS: Scalars = {
    "beam_width": (tf.int32, 5),
    "n_best": (tf.int32, 1),
    "length_penalty": (tf.float32, 0.6),
    "coverage_penalty": (tf.float32, 0.0),
    "free_length": (tf.bool, False),
}

#: Name → concrete function, whose inputs and outputs have names.
Functions = dict[str, tf.types.experimental.ConcreteFunction]


def open_sentiment(run: Run) -> tuple[Callable, Parts | None]:
    """The signature `sentiment` alone, `(**features, length, **numbers)` → `{"score", "attention_weights"}`; and its
    parts, traced when they are first asked for. Numbers are those of `NUMBERS`, where the model reads whole videos."""
    regressor = portable(run.load_regressor().model)
    sentiment = _traced(run, _sentiment(regressor), numbers=_numbers(run))
    if not _has_parts(run):
        return sentiment, None
    features, rest = (functools.cache(partial(make, run, regressor)) for make in (_features, _rest))
    return sentiment, Parts(lambda **inputs: features()(**inputs), lambda **inputs: rest()[0](**inputs))


def serving_functions(run: Run) -> tuple[Functions, list[tf.Variable]]:
    """Every signature of a run, and the variables that they read.

    Args:
        run: a run whose phases are trained.

    Returns:
        `sentiment`, which is `serving_default` too, `encode`, and for a translation `translate`; for each of them also
        `<name>_from_examples`. Where the model holds a text encoder, also the two parts of `sentiment`, `features` and
        `sentiment_of_features`. And the variables, which whoever saves the functions must hold.
    """
    regressor = run.load_regressor()
    models = [portable(regressor.model)]
    heads: dict[str, tuple[Callable, Scalars]] = {
        "sentiment": (_sentiment(regressor.model), {}),
        "encode": (_encode(run, regressor), {}),
    }
    if run.has_translation:
        translator = run.load_translator()
        models.append(portable(translator.model))
        heads["translate"] = _translate(run, translator)
    functions: Functions = {}
    for name, (head, options) in heads.items():
        functions[name] = _traced(run, head, options, _numbers(run))
        functions[f"{name}_from_examples"] = _from_examples(run, functions[name], options)
    if _has_parts(run):
        functions[Parts.FEATURES] = _features(run, regressor.model)
        functions[Parts.REST], rest = _rest(run, regressor.model)
        models.append(rest)
    return {"serving_default": functions["sentiment"], **functions}, _variables(models)


def _traced(run: Run, head: Callable, options: Scalars | None = None, numbers: tuple[str, ...] = ()):
    """`head(source, length, *numbers, **options)` as a concrete function of named inputs."""
    options = options or {}
    lost = lost_cells(run.statistics, run.recipe.inputs)

    @partial(tf.function, autograph=False)
    def function(**inputs):
        source = clean_source([inputs[name] for name in run.recipe.inputs.modalities], inputs["length"], lost)
        segments = tf.shape(source)[0]
        checked = check_options({name: inputs[name] for name in options})
        read = clean_numbers([inputs[name] for name in numbers], segments)
        outputs = head(*with_a_row(source, inputs["length"], *read), **checked)
        return {name: value[:segments] for name, value in outputs.items()}

    specs = {name: tf.TensorSpec([None, None, dim], tf.float32) for name, dim in _dims(run).items()}
    lengths = [len(specs)] if run.reads_apart else []
    length = tf.TensorSpec([None, *lengths], tf.int32)
    return _concrete(function, {**specs, "length": length, **_specs_of(numbers)}, options)


def _from_examples(run: Run, traced, options: Scalars):
    """The same of serialized records; it calls what is traced already, which keeps the graph half as large."""
    parse = _parsed_apart if run.reads_apart else _parsed

    @partial(tf.function, autograph=False)
    def function(**inputs):
        parsed = parse(inputs["examples"], _dims(run), halves_of(run.data), run.recipe.inputs.reads_videos)
        return traced(**parsed, **{name: inputs[name] for name in options})

    return _concrete(function, {"examples": tf.TensorSpec([None], tf.string)}, options)


def _numbers(run: Run) -> tuple[str, ...]:
    """What a model reads beside features and length: `NUMBERS` where a score depends on a segment's neighbours."""
    return NUMBERS if run.recipe.inputs.reads_videos else ()


def _specs_of(numbers: tuple[str, ...]) -> dict[str, tf.TensorSpec]:
    return {name: tf.TensorSpec([None], tf.int64) for name in numbers}


def _concrete(function, specs: Mapping[str, tf.TensorSpec], options: Scalars):
    specs = {**specs, **{name: tf.TensorSpec([], dtype) for name, (dtype, _) in options.items()}}
    return function.get_concrete_function(
        **{name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    )


def _dims(run: Run) -> dict[str, int]:
    return {name: len(run.statistics.mean[name]) for name in run.recipe.inputs.modalities}


def _parsed(
    examples: tf.Tensor, dims: Mapping[str, int], halves: Collection[str], in_videos: bool
) -> dict[str, tf.Tensor]:
    """Features and `length` of serialized records, trimmed to the longest; if `in_videos`, with `NUMBERS`."""
    parsed = parse_batch(examples, dims, halves=halves)
    lengths = tf.stack([tf.cast(parsed[f"{name}/length"], tf.int32) for name in dims])
    message = "Records lack a modality, or lengths disagree. Expected the same for each modality. Received: lengths"
    agree = (tf.reduce_min(lengths) > 0) & tf.reduce_all(lengths == lengths[:1])
    # What follows must wait, or the concatenation of what does not fit would speak first, and less clearly.
    with tf.control_dependencies([tf.debugging.Assert(agree, [message, *dims, lengths])]):
        steps = tf.reduce_max(lengths)
    numbers = numbers_of(parsed["id"]) if in_videos else {}
    return {**{name: parsed[name][:, :steps] for name in dims}, "length": lengths[0], **numbers}


def _parsed_apart(
    examples: tf.Tensor, dims: Mapping[str, int], halves: Collection[str], in_videos: bool
) -> dict[str, tf.Tensor]:
    """The same of modalities with steps of their own."""
    parsed = parse_batch(examples, dims, halves=halves)
    source, lengths = side_by_side(parsed, dims)
    numbers = numbers_of(parsed["id"]) if in_videos else {}
    return {**dict(zip(dims, tf.split(source, list(dims.values()), -1), strict=True)), "length": lengths, **numbers}


def _sentiment(regressor: keras.Model) -> Callable:
    return lambda *inputs: regressor(_named(*inputs), training=False)


def _named(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    """What a model reads, by name: source, length, and `NUMBERS` where it reads them."""
    return dict(zip(("source", "source_length", *NUMBERS), inputs, strict=False))


def _has_parts(run: Run) -> bool:
    """Whether the score is given in parts too: there is no influence of a step where each modality has its own."""
    return run.statistics.pieces is not None and "text" in run.recipe.inputs.modalities and not run.reads_apart


def _features(run: Run, regressor: keras.Model):
    """`(**features, length)` → `{"features": (batch, steps, width)}`, see `Parts`."""
    model = features_model(regressor)
    return _traced(run, lambda source, length: {"features": _memory(model, source, length)})


def _rest(run: Run, regressor: keras.Model):
    """`(features, length, **numbers)` → `{"score", "attention_weights"}`, see `Parts`; and the model, to be held."""
    model = portable(after_features(regressor, run.recipe, run.config, run.statistics, run.run_format))

    @partial(tf.function, autograph=False)
    def function(features, length, **numbers):
        source = clean_source([features], length)
        segments = tf.shape(source)[0]
        read = clean_numbers([numbers[name] for name in _numbers(run)], segments)
        outputs = _sentiment(model)(*with_a_row(source, length, *read))
        return {name: value[:segments] for name, value in outputs.items()}

    dim = model.input["source"].shape[-1]
    specs = {"features": tf.TensorSpec([None, None, dim], tf.float32), "length": tf.TensorSpec([None], tf.int32)}
    return _concrete(function, {**specs, **_specs_of(_numbers(run))}, {}), model


def _memory(model: keras.Model, source: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    return model(_named(source, length), training=False)["memory"]


def _encode(run: Run, regressor: Regressor) -> Callable:
    """`(source, length, *numbers)` → what the regressor reads, and the vector that its score is linear in."""
    model: Any = keras.Model(regressor.model.input, {"sequence": regressor.sequence, "pooled": regressor.pooled})
    representation: Any = regressor.representation
    is_final = run.config.regressor.representation == "final" and run.has_translation

    def encode(source, length, *numbers):
        encoded = model(_named(source, length, *numbers), training=False)
        if is_final:  # the regressor reads one step; the sequence that it ends is of more use
            encoded["sequence"] = _memory(representation, source, length)
        longest = length if length.shape.rank == 1 else tf.reduce_max(length, 1)
        valid = tf.sequence_mask(longest, tf.shape(encoded["sequence"])[1])[:, :, None]
        return {"sequence": tf.where(valid, encoded["sequence"], 0.0), "pooled": encoded["pooled"]}

    return encode


def _translate(run: Run, translator: Translator) -> tuple[Callable, Scalars]:
    """The decoding of a translation, and the scalar inputs that it takes."""
    phase = run.last_translation
    if run.has_codebooks:
        return partial(_search, translator, run.load_codebook(phase)), SEARCH_INPUTS
    statistics = run.statistics.target(phase.recipe.target)
    if not run.config.decoder.stop:
        return partial(_roll, translator, statistics), {}
    return partial(_roll, translator, statistics), {"free_length": SEARCH_INPUTS["free_length"]}


def _search(translator: Translator, codebook: Codebook, source, length, **options) -> dict[str, tf.Tensor]:
    free = options.pop("free_length")
    steps = translator.expected_length(length)
    limits = tf.where(free, 1, steps), tf.where(free, translator.free_limit(length), steps)
    found = translator.search(source, length, limits, SearchOptions(**options))
    written = tf.sequence_mask(found.lengths - 1, tf.shape(found.ids)[2])
    return {
        **found._asdict(),
        "tokens": tf.where(written, tf.gather(tf.constant(codebook.names), found.ids), ""),
        "frames": tf.where(written[..., None], tf.gather(tf.constant(codebook.frames), found.ids), 0.0),
    }


def _roll(translator: Translator, statistics: tuple, source, length, free_length=None) -> dict[str, tf.Tensor]:
    def roll():
        steps = translator.expected_length(length)
        frames, attention_weights = translator.rollout(source, length, steps)
        return frames, steps, attention_weights

    def until_stop():
        return translator.rollout_until_stop(source, length, translator.free_limit(length))

    frames, lengths, attention_weights = roll() if free_length is None else tf.cond(free_length, until_stop, roll)
    mean, std = (tf.constant(values, tf.float32) for values in statistics)
    written = tf.sequence_mask(lengths, tf.shape(frames)[1])[:, :, None]
    raw = tf.where(written, frames * std + mean, 0.0)
    return {"frames": raw, "lengths": lengths, "attention_weights": attention_weights}


def portable(model: keras.Model) -> keras.Model:
    """Keeps cuDNN's operations, which a CPU lacks, out of what is traced from now on. Keras 2 chooses at run time."""
    for encoder in _encoders(model):
        for layer in encoder.recurrent:
            is_double = isinstance(layer, keras.layers.Bidirectional)
            for direction in (layer.forward_layer, layer.backward_layer) if is_double else (layer,):
                if hasattr(direction, "use_cudnn"):
                    direction.use_cudnn = False
    return model


def _encoders(model: keras.Model) -> Iterator[Encoder]:
    for layer in model.layers:
        if isinstance(layer, AlongVideos):
            yield layer.encoder
        elif isinstance(layer, Encoder):
            yield layer
        elif isinstance(layer, keras.Model):
            yield from _encoders(layer)


def _variables(models: list[keras.Model]) -> list[tf.Variable]:
    """TensorFlow's variables of models: a weight itself in Keras 2, inside a weight in Keras 3."""
    weights = [weight for model in models for weight in model.weights]
    return [weight if isinstance(weight, tf.Variable) else weight.value for weight in weights]
