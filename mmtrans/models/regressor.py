"""The sentiment model: one regressor for baselines and translations alike (Pham et al. 2018, section 5.2, eq. 3-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.layers.attention import AttentionPooling, LastStep
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Encoder
from mmtrans.layers.masking import SequenceMask
from mmtrans.models.representation import build_representation, one_step, source_inputs
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Recipe


@dataclass(frozen=True)
class Regressor:
    """The sentiment model and its parts.

    Args:
        model: `{source, source_length}` → `{"score": (batch,), "attention_weights": (batch, steps)}`.
        representation: the model up to what the regressor reads, which is a layer of `model`.
        sequence: the tensor `(batch, steps, dim)` in `model` that its recurrent layer reads.
        pooled: the tensor `(batch, dim)` in `model` that the score is linear in.
    """

    model: keras.Model
    representation: keras.Model
    sequence: Any
    pooled: Any

    @property
    def outputs(self) -> dict[str, Any]:
        """Tensors in `model` by name: `score`, `sequence`, `pooled`."""
        return {"score": self.model.output["score"], "sequence": self.sequence, "pooled": self.pooled}

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        config: Config,
        statistics: Statistics,
        bias: float = 0.0,
        representation: keras.Model | None = None,
        run_format: int = RUN_FORMAT,
    ) -> Regressor:
        """Builds the model from raw source features to a sentiment score.

        A baseline reads the features; a translation's regressor reads the frozen encoder's memory with its mask
        (`representation=sequence`) or its final state as a sequence of one step (`final`).

        Args:
            recipe: features or a translation.
            config: sizes and options of the regressor.
            statistics: mean and deviation of the modalities that the recipe reads.
            bias: score that the untrained model starts from, usually the mean train label.
            representation: representation of a translator which is trained together with the regressor; without, the
                regressor gets one of its own, which moves only where `config.regressor.finetune` says so.
            run_format: what the run learns, see `RUN_FORMAT`; a given representation has it already.
        """
        inputs = source_inputs(statistics.dim(recipe.inputs))
        is_shared = representation is not None
        if representation is None:
            below: Any = build_representation(recipe, config, statistics, run_format)
        else:
            below = representation
        encoder = Encoder(
            config.regressor.regressor_units,
            config.encoder.cell,
            1,
            config.encoder.bidirectional,
            config.regressor.regressor_dropout,
            name="regressor",
        )
        dropout = Dropout(config.regressor.regressor_dropout, "regressor/output_dropout", name="output_dropout")
        start: Any = keras.initializers.Constant(bias)
        linear = keras.layers.Dense(1, bias_initializer=start, name="linear")

        # Never set to true here: that would also thaw the encoders of earlier phases inside.
        if not (is_shared or config.regressor.finetune):
            below.trainable = False
        encoded = below(inputs)
        memory = encoded["memory"]
        if config.regressor.representation == "final" and "final_state" in encoded:
            memory = one_step(encoded["final_state"], "one_step")
        mask = SequenceMask(name="mask")([memory, inputs["source_length"]])
        outputs, final_output = encoder(memory, source_mask=mask)
        if config.regressor.pooling == "last":
            pooled, attention_weights = dropout(final_output), LastStep(name="pooling")(mask)
        else:
            pooled, attention_weights = AttentionPooling(name="pooling")(dropout(outputs), source_mask=mask)
        score = keras.layers.Reshape((), name="score")(linear(pooled))

        model = keras.Model(inputs, {"score": score, "attention_weights": attention_weights}, name="regressor")
        return cls(model, below, sequence=memory, pooled=pooled)


def build_regressor(
    recipe: Recipe,
    config: Config,
    statistics: Statistics,
    bias: float = 0.0,
    representation: keras.Model | None = None,
    run_format: int = RUN_FORMAT,
) -> keras.Model:
    """The model of `Regressor.build` by itself, a functional model from raw source features to a sentiment score.

    Returns:
        `{source, source_length}` → `{"score": (batch,), "attention_weights": (batch, steps)}`.
    """
    return Regressor.build(recipe, config, statistics, bias, representation, run_format).model
