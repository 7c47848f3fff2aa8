"""Fusion models in PyTorch: what `python -m tools.benchmark fusion --against benchmarks/fusion_torch.py` runs.

    pip install torch==2.13.0 numpy          # in an environment of its own

Written from the equations of the papers, with the choices that `mmtrans.models.rivals` names where a paper leaves
something open; no code is copied. `--model` is one of:

tfn   Zadeh et al. 2017, section 4: the outer product of a vector a modality with a one behind each, two dense layers.
lmf   Liu et al. 2018, eq. 8 to 10: the product of what each modality's low-rank factor gives, summed over the rank.
mult  Tsai et al. 2019, section 3: temporal convolutions, positions, crossmodal blocks (eq. 4), blocks of each modality.
mfn   Zadeh et al. 2018a, section 3: an LSTM cell a modality, delta-memory attention, multi-view gated memory.
marn  Zadeh et al. 2018b, section 3: an LSTM cell a modality that also reads a code, made by a multi-attention block.

misa, mvlstm, gme and bclstm have no comparator.

Text 300, audio 74 and video 47 wide, of the lengths of MOSI's train fold. Sizes are the defaults of mmtrans, read one
way. Neighbours in length share a batch, whose padding is that of its longest; LSTMs read packed sequences where they
need no cell of each step. Dropout where ours has it, the mean absolute error, gradients clipped at norm 1, Adam.

Each number of `--threads` is measured by itself, from new weights: of small products PyTorch makes fewer a second with
two threads than with one where others use the machine too. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

# Threads that wait leave their core to others, which a shared machine has; read when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.benchmark_lengths import mosi_lengths

DIMS = {"text": 300, "audio": 74, "video": 47}
WORDS, UNITS, FUSED, RANK, HEADS, LAYERS, RATE = 64, 32, 128, 4, 4, 4, 0.3


class Summaries(nn.Module):
    """A vector a modality: the last state of words, and the mean of a signal."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(RATE)
        self.lstm = nn.LSTM(DIMS["text"], WORDS, batch_first=True)
        self.of_words = nn.Linear(WORDS, WORDS)
        self.of_signals = nn.ModuleList(
            nn.Sequential(
                *(part for i in range(3) for part in (nn.Linear(DIMS[name] if i == 0 else UNITS, UNITS), nn.ReLU()))
            )
            for name in ("audio", "video")
        )

    def forward(self, streams, lengths, mask):
        text, *signals = streams
        packed = pack_padded_sequence(self.dropout(text), lengths, batch_first=True, enforce_sorted=False)
        state = self.lstm(packed)[1][0][0]
        vectors = [self.of_words(self.dropout(state)).relu()]
        for stream, layers in zip(signals, self.of_signals, strict=True):
            vectors.append(layers(self.dropout((stream * mask[:, :, None]).sum(1) / lengths[:, None])))
        return [torch.cat([vector, torch.ones(len(vector), 1)], 1) for vector in vectors]


class TensorFusion(nn.Module):
    """The outer product, read by two dense layers."""

    def __init__(self):
        super().__init__()
        self.summaries = Summaries()
        width = (WORDS + 1) * (UNITS + 1) ** 2
        self.layers = nn.Sequential(
            nn.Dropout(RATE), nn.Linear(width, FUSED), nn.ReLU(), nn.Linear(FUSED, FUSED), nn.ReLU()
        )
        self.linear = nn.Linear(FUSED, 1)

    def forward(self, streams, lengths, mask):
        text, audio, video = self.summaries(streams, lengths, mask)
        product = (text[:, :, None] * audio[:, None]).flatten(1)
        product = (product[:, :, None] * video[:, None]).flatten(1)
        return self.linear(self.layers(product))[:, 0]


class LowRank(nn.Module):
    """What a dense layer of low rank reads from that product."""

    def __init__(self):
        super().__init__()
        self.summaries, self.dropout = Summaries(), nn.Dropout(RATE)
        self.factors = nn.ParameterList(
            nn.Parameter(torch.randn(width + 1, RANK * FUSED) / width**0.5) for width in (WORDS, UNITS, UNITS)
        )
        self.bias, self.linear = nn.Parameter(torch.zeros(FUSED)), nn.Linear(FUSED, 1)

    def forward(self, streams, lengths, mask):
        product = 1.0
        for vector, factor in zip(self.summaries(streams, lengths, mask), self.factors, strict=True):
            product = product * (vector @ factor)
        fused = product.view(-1, RANK, FUSED).sum(1) + self.bias
        return self.linear(self.dropout(fused))[:, 0]


class Block(nn.Module):
    """`y = x + attention(x, norm(source))` with `x = norm(target)`, then `z + feed_forward(z)` with `z = norm(y)`."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.query, self.key, self.value, self.attended = (nn.Linear(width, width) for _ in range(4))
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.target_norm, self.source_norm, self.sum_norm = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(RATE)

    def forward(self, target, source, mask):
        target, source = self.target_norm(target), self.source_norm(source)
        query, key, value = (
            layer(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for layer, x in ((self.query, target), (self.key, source), (self.value, source))
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(self.width // HEADS)
        weights = self.dropout(scores.masked_fill(~mask[:, None, None], -1e9).softmax(3))
        attended = (weights @ value).transpose(1, 2).flatten(2)
        total = self.sum_norm(target + self.dropout(self.attended(attended)))
        return total + self.dropout(self.contract(self.expand(total).relu()))


class Crossmodal(nn.Module):
    """Each modality attends to each other one, then to what it has read."""

    def __init__(self):
        super().__init__()
        spans = {"text": 1, "audio": 3, "video": 3}
        self.convolutions = nn.ModuleList(
            nn.Conv1d(DIMS[name], UNITS, span, padding=span // 2, bias=False) for name, span in spans.items()
        )
        self.pairs = [(target, source) for target in range(3) for source in range(3) if source != target]
        self.crossed = nn.ModuleList(nn.ModuleList(Block(UNITS) for _ in range(LAYERS)) for _ in self.pairs)
        self.own = nn.ModuleList(nn.ModuleList(Block(2 * UNITS) for _ in range(LAYERS)) for _ in range(3))
        width = 6 * UNITS
        self.first, self.second, self.linear = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 1)
        self.dropout = nn.Dropout(RATE)

    def forward(self, streams, lengths, mask):
        embedded = []
        for stream, convolution in zip(streams, self.convolutions, strict=True):
            steps = convolution(self.dropout(stream).transpose(1, 2)).transpose(1, 2)
            embedded.append((steps + positions(steps.shape[1])) * mask[:, :, None])
        read = [[], [], []]
        for (target, source), blocks in zip(self.pairs, self.crossed, strict=True):
            steps = embedded[target]
            for block in blocks:
                steps = block(steps, embedded[source], mask)
            read[target].append(steps)
        last = []
        for parts, blocks in zip(read, self.own, strict=True):
            steps = torch.cat(parts, 2)
            for block in blocks:
                steps = block(steps, steps, mask)
            last.append(steps[torch.arange(len(steps)), lengths - 1])
        vector = torch.cat(last, 1)
        return self.linear(vector + self.second(self.dropout(self.first(vector).relu())))[:, 0]


def positions(steps):
    """`(steps, UNITS)` sines in even columns, cosines in odd ones."""
    columns = torch.arange(UNITS)
    angles = torch.arange(steps)[:, None] * 1e4 ** -((columns - columns % 2) / UNITS)
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos())


class MemoryFusion(nn.Module):
    """LSTM cells side by side, and a memory whose gates read what an attention lets pass of their cells."""

    def __init__(self):
        super().__init__()
        self.units = (WORDS, UNITS, UNITS)
        self.cells = nn.ModuleList(nn.LSTMCell(DIMS[n], u) for n, u in zip(DIMS, self.units, strict=True))
        width = 2 * sum(self.units)
        self.attention = network(width, width)
        self.gates = nn.ModuleList(network(width, FUSED) for _ in range(3))
        self.dropout, self.linear = nn.Dropout(RATE), nn.Linear(sum(self.units) + FUSED, 1)

    def forward(self, streams, lengths, mask):
        streams = [self.dropout(stream) for stream in streams]
        states = [(torch.zeros(len(lengths), units), torch.zeros(len(lengths), units)) for units in self.units]
        outputs, cells = [], []
        for step in range(mask.shape[1]):
            states = [cell(x[:, step], state) for cell, x, state in zip(self.cells, streams, states, strict=True)]
            outputs.append(torch.cat([state[0] for state in states], 1))
            cells.append(torch.cat([state[1] for state in states], 1))
        cells = torch.stack(cells, 1)
        delta = torch.cat([torch.cat([torch.zeros_like(cells[:, :1]), cells[:, :-1]], 1), cells], 2)
        # The networks read no memory, so that they see all steps at once.
        attended = self.attention(delta).softmax(2) * delta
        retain, write, update = (gate(attended) for gate in self.gates)
        retain, written = retain.sigmoid(), write.sigmoid() * update.tanh()
        memory = torch.zeros(len(lengths), FUSED)
        for step in range(mask.shape[1]):
            memory = torch.where(mask[:, step, None], retain[:, step] * memory + written[:, step], memory)
        last = torch.stack(outputs, 1)[torch.arange(len(lengths)), lengths - 1]
        return self.linear(self.dropout(torch.cat([last, memory], 1)))[:, 0]


class MultiAttention(nn.Module):
    """LSTM cells side by side, whose gates read a code that attentions over all their outputs made one step before."""

    def __init__(self):
        super().__init__()
        self.units = (WORDS, UNITS, UNITS)
        self.cells = nn.ModuleList(nn.LSTMCell(DIMS[n] + FUSED, u) for n, u in zip(DIMS, self.units, strict=True))
        width = sum(self.units)
        self.attention = nn.Linear(width, HEADS * width)
        self.reductions = nn.ModuleList(nn.Linear(HEADS * units, UNITS) for units in self.units)
        self.code, self.linear = nn.Linear(3 * UNITS, FUSED), nn.Linear(width + FUSED, 1)
        self.dropout = nn.Dropout(RATE)

    def forward(self, streams, lengths, mask):
        streams = [self.dropout(stream) for stream in streams]
        states = [(torch.zeros(len(lengths), units), torch.zeros(len(lengths), units)) for units in self.units]
        code, found = torch.zeros(len(lengths), FUSED), []
        for step in range(mask.shape[1]):
            states = [
                cell(torch.cat([x[:, step], code], 1), state)
                for cell, x, state in zip(self.cells, streams, states, strict=True)
            ]
            outputs = torch.cat([state[0] for state in states], 1)
            passed = self.attention(outputs).unflatten(1, (HEADS, -1)).softmax(2) * outputs[:, None]
            reduced = [
                layer(part.flatten(1)).relu()
                for layer, part in zip(self.reductions, passed.split(self.units, 2), strict=True)
            ]
            code = self.code(torch.cat(reduced, 1)).tanh()
            found.append(torch.cat([outputs, code], 1))
        last = torch.stack(found, 1)[torch.arange(len(lengths)), lengths - 1]
        return self.linear(self.dropout(last))[:, 0]


def network(width, units):
    """A dense layer above a hidden one."""
    return nn.Sequential(nn.Linear(width, FUSED), nn.ReLU(), nn.Dropout(RATE), nn.Linear(FUSED, units))


MODELS = {"tfn": TensorFusion, "lmf": LowRank, "mult": Crossmodal, "mfn": MemoryFusion, "marn": MultiAttention}


def make_batches(segments, batch_size, epoch):
    """Batches of neighbours in length, in another order each epoch: streams, lengths, mask and labels."""
    rng = np.random.default_rng(epoch)
    order = rng.permutation(len(segments))
    order = order[np.argsort([len(segments[i][0][0]) for i in order], kind="stable")]
    for start in rng.permutation(range(0, len(order), batch_size)):
        rows = [segments[i] for i in order[start : start + batch_size]]
        lengths = torch.tensor([len(streams[0]) for streams, _ in rows])
        padded = [nn.utils.rnn.pad_sequence([row[0][i] for row in rows], batch_first=True) for i in range(len(DIMS))]
        yield padded, lengths, torch.arange(lengths.max()) < lengths[:, None], torch.tensor([row[1] for row in rows])


def train_epoch(model, optimizer, batches):
    """The mean loss of an epoch."""
    model.train()
    losses = []
    for streams, lengths, mask, labels in batches:
        loss = (model(streams, lengths, mask) - labels).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return statistics.mean(losses)


def measure(options, segments, threads):
    """The figures of all epochs but the first, which warms up, with so many threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = MODELS[options.model]()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
    walls, cpus = [], []
    for epoch in range(options.epochs + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = train_epoch(model, optimizer, make_batches(segments, options.batch_size, epoch))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "segments_per_s": round(options.segments / statistics.median(walls[1:]), 1),
        "epoch_s": round(statistics.median(walls[1:]), 3),
        "epoch_cpu_s": round(statistics.median(cpus[1:]), 3),
        "first_epoch_s": round(walls[0], 3),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "loss": round(loss, 4),
    }


def main():
    """Trains, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="tfn")
    parser.add_argument("--segments", type=int, default=1284)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    segments = [
        ([torch.randn(steps, dim) for dim in DIMS.values()], float(rng.uniform(-3, 3)))
        for steps in mosi_lengths(options.segments).tolist()
    ]
    results = {f"threads_{threads}": measure(options, segments, threads) for threads in options.threads}
    results["peak_rss_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    print(json.dumps({"bench": f"fusion_torch {options.model}", "results": results, "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
