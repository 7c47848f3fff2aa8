"""The numbers that a change of the code's shape must leave as they are: small trainings of two epochs."""

from pathlib import Path

import keras

from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.inference.translate import translate
from mmtrans.runs.run import Run
from mmtrans.runs.status import read_outcome
from mmtrans.training.train import train
from tests.earlier import EARLIER

RECORDS = EARLIER / "records-aligned"

#: The numbers of one major version of Keras, since initial weights and optimisers differ between them.
PATH = Path(__file__).parent / f"keras-{keras.__version__.split('.')[0]}.json"

SIZES = {"units": 3, "attention_units": 2, "decoder_units": 4, "regressor_units": 5, "epochs": 2, "batch_size": 7}

#: Name → configuration.
TRAININGS = {
    "features": {"recipe": "T->A"},
    "tokens": {"recipe": "T->A", "target": "tokens", "codebook_size": 4},
    "joint-cycle": {"recipe": "T->A", "objective": "joint", "cycle_weight": 0.3},
    "tfn": {"recipe": "tfn(T,A)", "fusion_units": 3, "fused_units": 4},
    "lmf": {"recipe": "lmf(T,A)", "fusion_units": 3, "fused_units": 4, "fusion_rank": 2},
    "mult": {"recipe": "mult(T,A)", "fusion_units": 4, "fusion_heads": 2, "fusion_layers": 1},
    "misa": {"recipe": "misa(T,A)", "fusion_units": 4, "fusion_heads": 2},
    "mfn": {"recipe": "mfn(T,A)", "fusion_units": 3, "fused_units": 4},
    "marn": {"recipe": "marn(T,A)", "fusion_units": 3, "fused_units": 4, "fusion_heads": 2},
    "mvlstm": {"recipe": "mvlstm(T,A)", "fusion_units": 3},
    "gme": {"recipe": "gme(T,A)", "fusion_units": 3, "fused_units": 4},
    "bclstm": {"recipe": "bclstm(T,A)", "fusion_units": 3, "fused_units": 4},
    "vae": {"recipe": "T->A", "bottleneck": "vae", "latent_units": 3},
}

METRICS = ("mae", "pearson")
QUALITY = ("r2", "perplexity")


def measure(name: str, directory: Path) -> dict[str, float]:
    """Trains one of `TRAININGS` in a new directory.

    Returns:
        name of a number → the number: losses by phase and epoch, metrics of the test split, scores of a beam.
    """
    config = Config(**SIZES, **TRAININGS[name])
    run = Run.open_or_create(directory, config, Records.open(RECORDS, splits=("train", "valid")))
    train(run, Records.open(RECORDS, splits=("train", "valid")), quiet=True)
    numbers = {}
    for phase in run.phases:
        for row in read_outcome(run, phase).history:
            for loss in ("loss", "valid_loss"):
                numbers[f"{phase.kind} {row['epoch']} {loss}"] = row[loss]
    records = Records.open(RECORDS)
    result = evaluate(run, records, "test")
    numbers |= {metric: result[metric] for metric in METRICS}
    numbers |= {
        quality: result["translation"][quality] for quality in QUALITY if quality in result.get("translation", ())
    }
    if config.output.target == "tokens":
        for item in translate(run, records, "test", SearchOptions(beam_width=3, n_best=2)):
            numbers |= {f"beam {item.id} {i}": hypothesis.score for i, hypothesis in enumerate(item.hypotheses)}
    return numbers
