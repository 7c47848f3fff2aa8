"""The sentiment model: one regressor for baselines and translations alike (Pham et al. 2018, section 5.2, eq. 3-5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.layers.attention import AttentionPooling, LastStep, MeanPooling
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Encoder
from mmtrans.layers.masking import Beside, SequenceMask
from mmtrans.models.representation import FEATURES, build_representation, one_step
from mmtrans.models.rivals.build import FUSED, WEIGHTS
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Recipe, Translation


@dataclass(frozen=True)
class Regressor:
    """The sentiment model and its parts.

    Attributes:
        model: `{source, source_length}` → `{"score": (batch,), "attention_weights": (batch, steps)}`. A fusion that
            reads whole videos has the inputs `video_number` and `segment_number`, too.
        representation: the model up to what the regressor reads, which is a layer of `model`.
        sequence: the tensor `(batch, steps, dim)` in `model` that its recurrent layer, or else the pooling, reads.
        pooled: the tensor `(batch, dim)` in `model` that the score is linear in.
        of_fusion: tensors in `model` by name that a fusion's own losses read, if it has any.
    """

    model: keras.Model
    representation: keras.Model
    sequence: Any
    pooled: Any
    of_fusion: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outputs(self) -> dict[str, Any]:
        """Tensors in `model` by name: `score`, `sequence`, `pooled`."""
        return {"score": self.model.output["score"], "sequence": self.sequence, "pooled": self.pooled}

    @classmethod
    def over(cls, representation: keras.Model, config: Config, bias: float = 0.0) -> Regressor:
        """Builds the model from raw source features to a sentiment score.

        A baseline reads the features. A translation's regressor reads the encoder's memory with its mask
        (`representation=sequence`), its final state as a sequence of one step (`final`), or the source's standardised
        features and the memory side by side (`both`). A fusion has its own vector that the score is linear in.

        Args:
            representation: what `own_representation` gives, or that of a translator which is trained together with the
                regressor.
            config: sizes and options of the regressor.
            bias: score that the untrained model starts from, usually the mean train label.
        """
        inputs = {
            name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
            for name, tensor in representation.input.items()
        }
        is_fused = FUSED in representation.output
        # Initial weights depend on the order in which layers are made.
        encoder = _recurrent_layer(config) if config.regressor.recurrent and not is_fused else None
        start: Any = keras.initializers.Constant(bias)
        linear = keras.layers.Dense(1, bias_initializer=start, name="linear")
        encoded: Any = representation(inputs)
        if is_fused:
            of_fusion = dict(encoded)
            memory, pooled, attention_weights = (of_fusion.pop(name) for name in ("memory", FUSED, WEIGHTS))
        else:
            of_fusion = {}
            memory, pooled, attention_weights = _pooled(encoded, inputs["source_length"], encoder, config)
        score = keras.layers.Reshape((), name="score")(linear(pooled))

        model = keras.Model(inputs, {"score": score, "attention_weights": attention_weights}, name="regressor")
        return cls(model, representation, memory, pooled, of_fusion)


def _pooled(encoded: Any, length: Any, encoder: Encoder | None, config: Config) -> tuple[Any, Any, Any]:
    """The steps that are read, what they are summarised to, and the weights of the steps in that."""
    dropout = Dropout(config.regressor.regressor_dropout, "regressor/output_dropout", name="output_dropout")
    memory = encoded["memory"]
    if config.regressor.representation == "final" and "final_state" in encoded:
        memory = one_step(encoded["final_state"], "one_step")
    elif config.regressor.representation == "both" and FEATURES in encoded:
        memory = Beside(name="features_and_memory")([encoded[FEATURES], memory])
    mask = SequenceMask(name="mask")([memory, length])
    if encoder is not None:
        outputs, final_output = encoder(memory, source_mask=mask)
    else:
        last: Any = keras.layers.Dot(1, name="last_step")
        outputs, final_output = memory, last([LastStep(name="is_last")(mask), memory])
    if config.regressor.pooling == "last":
        return memory, dropout(final_output), LastStep(name="pooling")(mask)
    pooling = AttentionPooling if config.regressor.pooling == "attention" else MeanPooling
    pooled, attention_weights = pooling(name="pooling")(dropout(outputs), source_mask=mask)
    return memory, pooled, attention_weights


def _recurrent_layer(config: Config) -> Encoder:
    """The layer that reads the steps before they are pooled."""
    return Encoder(
        config.regressor.regressor_units,
        config.encoder.cell,
        1,
        config.encoder.bidirectional,
        config.regressor.regressor_dropout,
        name="regressor",
    )


def own_representation(
    recipe: Recipe, config: Config, statistics: Statistics, run_format: int = RUN_FORMAT
) -> keras.Model:
    """A regressor's own representation: a translation's moves only where `config.regressor.finetune` says so; features
    may have a text encoder, of which those layers move that are to, as nothing has read it before."""
    representation: Any = build_representation(recipe, config, statistics, run_format)
    # Never set to true here: that would also thaw the encoders of earlier phases inside.
    if isinstance(recipe, Translation) and not config.regressor.finetune:
        representation.trainable = False
    return representation


def build_regressor(
    recipe: Recipe,
    config: Config,
    statistics: Statistics,
    bias: float = 0.0,
    representation: keras.Model | None = None,
    run_format: int = RUN_FORMAT,
) -> keras.Model:
    """Builds the functional model of a `Regressor`.

    Args:
        recipe: features or a translation.
        config: sizes and options of the regressor.
        statistics: mean and deviation of the modalities that the recipe reads.
        bias: score that the untrained model starts from, usually the mean train label.
        representation: representation of a translator which is trained together with the regressor; without, the
            regressor gets its own.
        run_format: what the run learns, see `RUN_FORMAT`; a given representation has it already.

    Returns:
        `{source, source_length}` → `{"score": (batch,), "attention_weights": (batch, steps)}`.

    Example:
        ```pycon
        >>> run = api.Run.open("run")
        >>> model = api.build_regressor(api.parse("T"), run.config, run.statistics)
        >>> model({"source": tf.zeros([1, 3, 300]), "source_length": tf.constant([3])})["score"].shape
        TensorShape([1])
        ```
    """
    if representation is None:
        representation = own_representation(recipe, config, statistics, run_format)
    return Regressor.over(representation, config, bias).model
