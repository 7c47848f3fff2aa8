"""The sentiment model: one regressor for baselines and translations alike (Pham et al. 2018, section 5.2, eq. 3-5)."""

from __future__ import annotations

import keras

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.layers.attention import AttentionPooling, LastStep
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Encoder
from mmtrans.layers.masking import SequenceMask
from mmtrans.models.representation import build_representation, one_step, source_inputs
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Recipe


def build_regressor(
    recipe: Recipe,
    config: Config,
    statistics: Statistics,
    bias: float = 0.0,
    representation: keras.Model | None = None,
    run_format: int = RUN_FORMAT,
) -> keras.Model:
    """Builds the model from raw source features to a sentiment score.

    A baseline reads the features; a translation's regressor reads the frozen encoder's memory with its mask
    (`representation=sequence`) or its final state as a sequence of one step (`final`).

    Args:
        recipe: features or a translation.
        config: sizes and options of the regressor.
        statistics: of the modalities that the recipe reads.
        bias: where the score starts, usually the mean train label.
        representation: of a translator that is trained together with the regressor; without, it gets one of its own,
            which moves only where `config.finetune` says so.
        run_format: of the run, see `RUN_FORMAT`; a given representation has it already.

    Returns:
        a functional model `{source, source_length}` → `{"score": (batch,), "attention_weights": (batch, steps)}`;
        the model up to the regressor is its layer `representation_<depth>` (`features` for a baseline).
    """
    inputs = source_inputs(statistics.dim(recipe.inputs))
    is_shared = representation is not None
    representation = representation if is_shared else build_representation(recipe, config, statistics, run_format)
    encoder = Encoder(
        config.regressor_units, config.cell, 1, config.bidirectional, config.regressor_dropout, name="regressor"
    )
    dropout = Dropout(config.regressor_dropout, "regressor/output_dropout", name="output_dropout")
    linear = keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(bias), name="linear")

    # Never set to true here: that would also thaw the encoders of earlier phases inside.
    if not (is_shared or config.finetune):
        representation.trainable = False
    encoded = representation(inputs)
    memory = encoded["memory"]
    if config.representation == "final" and "final_state" in encoded:
        memory = one_step(encoded["final_state"], "one_step")
    mask = SequenceMask(name="mask")([memory, inputs["source_length"]])
    outputs, final_output = encoder(memory, source_mask=mask)
    if config.pooling == "last":
        pooled, attention_weights = dropout(final_output), LastStep(name="pooling")(mask)
    else:
        pooled, attention_weights = AttentionPooling(name="pooling")(dropout(outputs), source_mask=mask)
    score = keras.layers.Reshape((), name="score")(linear(pooled))

    return keras.Model(inputs, {"score": score, "attention_weights": attention_weights}, name="regressor")


def representation_outputs(regressor: keras.Model) -> dict[str, keras.KerasTensor]:
    """Two tensors inside a regressor: `sequence` `(batch, steps, dim)`, what its recurrent layer reads, and `pooled`
    `(batch, dim)`, which the score is linear in."""
    return {"sequence": regressor.get_layer("mask").input[0], "pooled": regressor.get_layer("linear").input}
