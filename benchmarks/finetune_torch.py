"""Fine-tuning in PyTorch: what `python -m tools.benchmark finetune --against benchmarks/finetune_torch.py` runs.

    pip install torch==2.13.0 transformers==5.24.0 numpy          # in an environment of its own

transformers' BertModel, all of it trained, with the regressor of recipe `T` on top: means over each word's pieces, a
bidirectional LSTM of 64 units over them (packed, so that it reads no padding), attention pooling, one linear output;
dropout where ours has it, the mean absolute error, gradients clipped at norm 1. AdamW with weight decay on the
encoder's kernels alone, at its rate, and plain Adam for the rest. Neighbours in length share a batch, whose padding is
that of its longest. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import BertConfig, BertModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.benchmark_lengths import MINILM, mosi_pieces

BEGIN, END = 101, 102


class Scorer(nn.Module):
    """The encoder and the regressor over the means of its outputs."""

    def __init__(self, encoder: BertModel, units: int = 64, dropout: float = 0.3):
        super().__init__()
        self.encoder = encoder
        self.recurrent = nn.LSTM(encoder.config.hidden_size, units, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.Linear(2 * units, 1, bias=False)
        self.linear = nn.Linear(2 * units, 1)

    def forward(self, ids, lengths, steps, words):
        """Scores `(batch,)`, given ids `(batch, longest)`, their lengths, the word of each piece and words a row."""
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        states = self.encoder(ids, attention_mask=mask.long()).last_hidden_state
        is_of_word = nn.functional.one_hot(steps + 1, int(words.max()) + 1)[..., 1:].to(states.dtype)
        means = is_of_word.transpose(1, 2) @ states / is_of_word.sum(1)[:, :, None].clamp(min=1)
        packed = pack_padded_sequence(self.dropout(means), words, batch_first=True, enforce_sorted=False)
        outputs = self.dropout(pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)[0])
        scores = self.attention(outputs)[..., 0]
        scores = scores.masked_fill(torch.arange(scores.shape[1]) >= words[:, None], -1e9)
        return self.linear((scores.softmax(1)[:, :, None] * outputs).sum(1))[:, 0]


def make_batches(segments, batch_size, epoch):
    """Batches of neighbours in length, in another order each epoch."""
    rng = np.random.default_rng(epoch)
    order = rng.permutation(len(segments))
    order = order[np.argsort([segments[i].sum() for i in order], kind="stable")]
    starts = rng.permutation(range(0, len(order), batch_size))
    for start in starts:
        yield to_tensors([segments[i] for i in order[start : start + batch_size]], rng)


def to_tensors(counts, rng):
    """Random ids with the marks of a sentence, lengths, the word of each piece, words and labels."""
    lengths = np.array([count.sum() + 2 for count in counts])
    ids = rng.integers(1000, MINILM["vocab_size"], (len(counts), lengths.max()))
    steps = np.full(ids.shape, -1)
    ids[:, 0] = BEGIN
    for row, count in enumerate(counts):
        ids[row, lengths[row] - 1 :] = END
        steps[row, 1 : lengths[row] - 1] = np.repeat(np.arange(len(count)), count)
    words = np.array([len(count) for count in counts])
    labels = rng.uniform(-3, 3, len(counts)).astype(np.float32)
    return [torch.from_numpy(array) for array in (ids, lengths, steps, words, labels)]


def make_optimizers(model):
    """AdamW of the encoder, whose kernels alone decay, and Adam of the rest."""
    kernels, others = [], []
    for name, parameter in model.encoder.named_parameters():
        is_kernel = name.endswith("weight") and "LayerNorm" not in name and "embeddings" not in name
        (kernels if is_kernel else others).append(parameter)
    rest = [parameter for name, parameter in model.named_parameters() if not name.startswith("encoder.")]
    groups = [{"params": kernels, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=5e-5, fused=True), torch.optim.Adam(rest, lr=2e-3, fused=True)


def train_epoch(model, optimizers, batches):
    """The mean loss of an epoch."""
    model.train()
    losses = []
    for *inputs, labels in batches:
        loss = (model(*inputs) - labels).abs().mean()
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    return statistics.mean(losses)


def main():
    """Trains, and prints the figures of all epochs but the first, which warms up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", help="folder of the encoder (default: random weights of MiniLM's sizes)")
    parser.add_argument("--segments", type=int, default=1284)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    encoder = BertModel.from_pretrained(options.encoder) if options.encoder else BertModel(BertConfig(**MINILM))
    model = Scorer(encoder)
    optimizers = make_optimizers(model)
    segments = mosi_pieces(options.segments)
    walls, cpus = [], []
    for epoch in range(options.epochs + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = train_epoch(model, optimizers, make_batches(segments, options.batch_size, epoch))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    results = {
        "segments_per_s": round(options.segments / statistics.median(walls[1:]), 1),
        "epoch_s": round(statistics.median(walls[1:]), 3),
        "epoch_cpu_s": round(statistics.median(cpus[1:]), 3),
        "first_epoch_s": round(walls[0], 3),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "loss": round(loss, 4),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    versions["transformers"] = transformers.__version__
    print(json.dumps({"bench": "finetune_torch", "results": results, "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
