"""Measurement of fine-tuning: recipe `T` on pieces of words, while all of an encoder of MiniLM's sizes moves."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmtrans.config import Config
from mmtrans.conversion.convert import convert
from mmtrans.data.batch import Selection
from mmtrans.data.records import Records
from mmtrans.sources.corpus import Corpus
from mmtrans.training.loop import train_epoch
from mmtrans.training.monitor import Monitor
from mmtrans.training.progress import Progress
from mmtrans.training.train import make_deterministic
from mmtrans.words.folder import EncoderFolder, open_folder
from mmtrans.words.model import build_text_encoder
from mmtrans.words.settings import CONFIG_NAME, EncoderSettings
from mmtrans.words.weights import save_folder
from tfrecords.manifest import TextColumns
from tfrecords.schema import NO_PIECE, Segment
from tools.benchmark_figures import Results
from tools.benchmark_lengths import MINILM, WORD_PIECES, mosi_pieces
from tools.benchmark_options import Options
from tools.benchmark_process import peak_rss_mib
from tools.benchmark_train import EpochClock, epoch_batches, make_step, profile_steps, random_corpus, repeated

SELECTION = Selection("train", ("text",), labelled=True)

_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_encoder(directory: Path) -> Path:
    """Writes an encoder of MiniLM's sizes with random weights, below an existing directory; returns its folder."""
    sizes, folder = directory / "sizes", directory / "encoder"
    sizes.mkdir()
    folder.mkdir()
    pieces = (*_MARKS, *(f"piece{number}" for number in range(MINILM["vocab_size"] - len(_MARKS))))
    (sizes / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (sizes / CONFIG_NAME).write_text(json.dumps({"model_type": "bert", **MINILM}), encoding="utf-8")
    settings = EncoderSettings.read(sizes)
    encoder = build_text_encoder(settings, [settings.num_layers])
    save_folder(encoder, EncoderFolder("random", sizes, settings, ("vocab.txt",), ""), folder)
    return folder


def piece_corpus(segments: int, folder: EncoderFolder) -> Corpus:
    """A corpus whose text is random pieces, as many as words of MOSI's train fold have."""
    corpus, most = random_corpus(segments, dims={"text": 1}), len(WORD_PIECES)

    def read() -> Iterator[Segment]:
        rng = np.random.default_rng(0)
        for segment, counts in zip(corpus.read(), mosi_pieces(segments), strict=True):
            ids = rng.integers(len(_MARKS), folder.settings.vocabulary, (len(counts), most))
            ids = np.where(np.arange(most) < counts[:, None], ids, NO_PIECE)
            yield replace(segment, features={"text": ids.astype(np.float32)})

    text = TextColumns(folder.name, folder.sha256, (), folder.settings.width, pieces=most)
    return replace(corpus, read=read, text=text)


def measure_finetune(options: Options) -> Results:
    """Epochs of the training loop, with its pipeline and without validation and checkpoints.

    Returns:
        what `EpochClock` gives, the tracing in `first_epoch_s`; `steps` an epoch, `parameters`, the last `loss`, and
        `peak_rss_mib`.
    """
    if options.deterministic:
        make_deterministic()
    config = Config(recipe="T", tune_text_encoder="all", batch_size=options.batch_size)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        folder = open_folder(options.encoder or write_encoder(Path(directory)))
        convert(piece_corpus(options.segments, folder), Path(directory) / "records")
        records = repeated(Records.open(Path(directory) / "records", splits=("train",)), options.copies)
        train_step, objective = make_step(records, config, Path(directory) / "run", SELECTION)
        clock = EpochClock(options.segments * options.copies)
        with Monitor("benchmark", options.epochs, 1, None, quiet=True) as monitor:
            for epoch in range(options.epochs + 1):
                progress = Progress()
                with clock:
                    batches = epoch_batches(records, options.batch_size, epoch, SELECTION)
                    train_epoch(train_step, batches, progress, monitor)
        if options.profile:
            profile_steps(train_step, epoch_batches(records, options.batch_size, 0, SELECTION), options.profile)
    return {
        **clock.results(),
        "steps": progress.step,
        "parameters": objective.model.count_params(),
        "loss": round(progress.losses[-1], 4),
        "peak_rss_mib": peak_rss_mib(),
    }
