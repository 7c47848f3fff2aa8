"""Models of `fusion_torch.py` that go through all modalities step by step together: mfn, marn, mvlstm and gme."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.fusion_torch_apart import DIMS, FUSED, HEADS, RATE, UNITS, WORDS

#: Units of each modality's LSTM cell.
CELLS = (WORDS, UNITS, UNITS)

WIDTH = sum(CELLS)


class Views(nn.Module):
    """LSTM cells of all modalities as one: what they read of their inputs is multiplied once for all steps.

    `own` and `others` are the shares that a cell reads of its own and of the others' outputs of the step before: its
    own first ones, and the others' last ones. All cells read `beside` numbers that stand behind these outputs.
    """

    def __init__(self, own=1.0, others=0.0, beside=0):
        super().__init__()
        self.beside = beside
        self.dropout = nn.Dropout(RATE)
        self.kernels = nn.ModuleList(nn.Linear(dim, 4 * units) for dim, units in zip(DIMS.values(), CELLS, strict=True))
        self.rows = [
            [round((own if i == view else others) * units) for i, units in enumerate(CELLS)] for view in range(3)
        ]
        self.recurrent = nn.ModuleList(
            nn.Linear(sum(rows) + beside, 4 * units, bias=False) for rows, units in zip(self.rows, CELLS, strict=True)
        )

    def gates(self, streams):
        """The inputs' share of the pre-activations, `(batch, 4 WIDTH)` for each step."""
        parts = [
            layer(self.dropout(stream).transpose(0, 1)).unflatten(2, (4, -1))
            for layer, stream in zip(self.kernels, streams, strict=True)
        ]
        return torch.cat(parts, 3).flatten(2).unbind(0)

    def kernel(self):
        """What all cells make of all outputs, and of what is beside: `(WIDTH + beside, 4 WIDTH)`, zero where unread."""
        columns = []
        for view, (layer, rows) in enumerate(zip(self.recurrent, self.rows, strict=True)):
            blocks = []
            for i, part in enumerate(layer.weight.t().split([*rows, self.beside])):
                rest = CELLS[i] - len(part) if i < len(CELLS) else 0
                blocks.append(functional.pad(part, (0, 0, 0, rest) if i == view else (0, 0, rest, 0)))
            columns.append(torch.cat(blocks).unflatten(1, (4, -1)))
        return torch.cat(columns, 2).flatten(1)


def lstm_step(gates, cell):
    """Outputs and cells after a step, from pre-activations: input, forget, output, candidate."""
    admit, keep, show = gates[:, : 3 * WIDTH].sigmoid().chunk(3, 1)
    cell = keep * cell + admit * gates[:, 3 * WIDTH :].tanh()
    return show * cell.tanh(), cell


def at_last_step(outputs, lengths):
    """Of a list of outputs, one a step, the last valid one of each row."""
    return torch.stack(outputs, 1)[torch.arange(len(lengths)), lengths - 1]


class MemoryFusion(nn.Module):
    """LSTM cells side by side, and a memory whose gates read what an attention lets pass of their cells."""

    def __init__(self):
        super().__init__()
        self.views = Views()
        self.attention = network(2 * WIDTH, 2 * WIDTH)
        self.networks = nn.ModuleList(network(2 * WIDTH, FUSED) for _ in range(3))
        self.dropout, self.linear = nn.Dropout(RATE), nn.Linear(WIDTH + FUSED, 1)

    def forward(self, streams, lengths, mask):
        kernel = self.views.kernel()
        output = cell = torch.zeros(len(lengths), WIDTH)
        outputs, cells = [], [cell]
        for gates in self.views.gates(streams):
            output, cell = lstm_step(torch.addmm(gates, output, kernel), cell)
            outputs.append(output)
            cells.append(cell)
        cells = torch.stack(cells, 1)
        delta = torch.cat([cells[:, :-1], cells[:, 1:]], 2)
        # The networks read no memory, so that they see all steps at once.
        attended = self.attention(delta).softmax(2) * delta
        retain, write, update = (layers(attended) for layers in self.networks)
        retain, written = retain.sigmoid(), write.sigmoid() * update.tanh()
        memory = torch.zeros(len(lengths), FUSED)
        for step in range(mask.shape[1]):
            memory = torch.where(mask[:, step, None], retain[:, step] * memory + written[:, step], memory)
        last = at_last_step(outputs, lengths)
        return self.linear(self.dropout(torch.cat([last, memory], 1)))[:, 0]


class MultiAttention(nn.Module):
    """LSTM cells side by side, whose gates read a code that attentions over all their outputs made one step before."""

    def __init__(self):
        super().__init__()
        self.views = Views(beside=FUSED)
        self.attention = nn.Linear(WIDTH, HEADS * WIDTH)
        self.reductions = nn.ModuleList(nn.Linear(HEADS * units, UNITS) for units in CELLS)
        self.code, self.linear = nn.Linear(3 * UNITS, FUSED), nn.Linear(WIDTH + FUSED, 1)
        self.dropout = nn.Dropout(RATE)

    def forward(self, streams, lengths, mask):
        kernel = self.views.kernel()
        cell, read, found = torch.zeros(len(lengths), WIDTH), torch.zeros(len(lengths), WIDTH + FUSED), []
        for gates in self.views.gates(streams):
            output, cell = lstm_step(torch.addmm(gates, read, kernel), cell)
            passed = self.attention(output).unflatten(1, (HEADS, -1)).softmax(2) * output[:, None]
            reduced = [
                layer(part.flatten(1)) for layer, part in zip(self.reductions, passed.split(CELLS, 2), strict=True)
            ]
            code = self.code(torch.cat(reduced, 1).relu()).tanh()
            read = torch.cat([output, code], 1)
            found.append(read)
        return self.linear(self.dropout(at_last_step(found, lengths)))[:, 0]


class MultiView(nn.Module):
    """LSTM cells that read two thirds of their own outputs, and one third of each other one's."""

    def __init__(self):
        super().__init__()
        self.views = Views(own=2 / 3, others=1 / 3)
        self.dropout, self.linear = nn.Dropout(RATE), nn.Linear(WIDTH, 1)

    def forward(self, streams, lengths, mask):
        kernel, outputs = self.views.kernel(), []
        output = cell = torch.zeros(len(lengths), WIDTH)
        for gates in self.views.gates(streams):
            output, cell = lstm_step(torch.addmm(gates, output, kernel), cell)
            outputs.append(output)
        return self.linear(self.dropout(at_last_step(outputs, lengths)))[:, 0]


class GatedEmbedding(nn.Module):
    """Gates let signals pass beside a word or not; an LSTM reads all, and attention over its steps follows."""

    def __init__(self):
        super().__init__()
        _, *signals = DIMS.values()
        self.controllers = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, UNITS), nn.ReLU(), nn.Linear(UNITS, 1)) for dim in signals
        )
        self.lstm = nn.LSTM(sum(DIMS.values()), WORDS, batch_first=True)
        self.attention = nn.Linear(WORDS, 1, bias=False)
        self.dense, self.linear = nn.Linear(WORDS, FUSED), nn.Linear(FUSED, 1)
        self.dropout = nn.Dropout(RATE)

    def forward(self, streams, lengths, mask):
        packed = pack_padded_sequence(torch.cat(streams, 2), lengths, batch_first=True, enforce_sorted=False)
        text, *signals = packed.data.split(list(DIMS.values()), 1)
        passed = [signal * self.gate(layers(signal)) for layers, signal in zip(self.controllers, signals, strict=True)]
        outputs, _ = self.lstm(packed._replace(data=self.dropout(torch.cat([text, *passed], 1))))
        memory, _ = pad_packed_sequence(outputs, batch_first=True)
        weights = self.attention(memory)[:, :, 0].masked_fill(~mask, -1e9).softmax(1)
        pooled = (weights[:, None] @ memory)[:, 0]
        return self.linear(self.dropout(self.dense(pooled).relu()))[:, 0]

    def gate(self, logit):
        """1 or 0, whose gradient is that of the probability: drawn in training, else 1 where that is over a half."""
        likely = logit.sigmoid()
        bar = torch.rand_like(likely) if self.training else 0.5
        return (likely > bar).float() + likely - likely.detach()


def network(width, units):
    """A dense layer above a hidden one."""
    return nn.Sequential(nn.Linear(width, FUSED), nn.ReLU(), nn.Dropout(RATE), nn.Linear(FUSED, units))
