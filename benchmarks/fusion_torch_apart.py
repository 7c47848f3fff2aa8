"""Models of `fusion_torch.py` that read each modality apart: tfn, lmf, mult, misa and bclstm. The sizes of all."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, unpack_sequence

DIMS = {"text": 300, "audio": 74, "video": 47}
WORDS, UNITS, FUSED, RANK, HEADS, LAYERS, RATE, RATE_WITHIN = 64, 32, 128, 4, 4, 4, 0.3, 0.1


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
    """`y = target + attention(norm(target), norm(source))`, then `y + feed_forward(norm(y))`."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.query, self.key, self.value, self.attended = (nn.Linear(width, width) for _ in range(4))
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.target_norm, self.source_norm, self.sum_norm = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(RATE_WITHIN)

    def forward(self, target, source, mask):
        normalised, source = self.target_norm(target), self.source_norm(source)
        query, key, value = (
            layer(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for layer, x in ((self.query, normalised), (self.key, source), (self.value, source))
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(self.width // HEADS)
        weights = self.dropout(scores.masked_fill(~mask[:, None, None], -1e9).softmax(3))
        attended = (weights @ value).transpose(1, 2).flatten(2)
        total = target + self.dropout(self.attended(attended))
        return total + self.dropout(self.contract(self.expand(self.sum_norm(total)).relu()))


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
        self.crossed_norms = nn.ModuleList(nn.LayerNorm(UNITS) for _ in self.pairs)
        self.own_norms = nn.ModuleList(nn.LayerNorm(2 * UNITS) for _ in range(3))
        width = 6 * UNITS
        self.first, self.second, self.linear = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 1)
        self.dropout = nn.Dropout(RATE)

    def forward(self, streams, lengths, mask):
        embedded = []
        for stream, convolution in zip(streams, self.convolutions, strict=True):
            steps = convolution(self.dropout(stream).transpose(1, 2)).transpose(1, 2)
            embedded.append((steps + positions(steps.shape[1])) * mask[:, :, None])
        read = [[], [], []]
        for (target, source), blocks, norm in zip(self.pairs, self.crossed, self.crossed_norms, strict=True):
            steps = embedded[target]
            for block in blocks:
                steps = block(steps, embedded[source], mask)
            read[target].append(norm(steps))
        last = []
        for parts, blocks, norm in zip(read, self.own, self.own_norms, strict=True):
            steps = torch.cat(parts, 2)
            for block in blocks:
                steps = block(steps, steps, mask)
            last.append(norm(steps)[torch.arange(len(steps)), lengths - 1])
        vector = torch.cat(last, 1)
        return self.linear(vector + self.second(self.dropout(self.first(vector).relu())))[:, 0]


def positions(steps):
    """`(steps, UNITS)` sines in even columns, cosines in odd ones."""
    columns = torch.arange(UNITS)
    angles = torch.arange(steps)[:, None] * 1e4 ** -((columns - columns % 2) / UNITS)
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos())


class Subspaces(nn.Module):
    """A vector a modality in a subspace of all and in one of its own; a transformer's block reads all these vectors."""

    def __init__(self):
        super().__init__()
        self.vectors = nn.ModuleList(TwoStates(dim) for dim in DIMS.values())
        self.shared = nn.Linear(UNITS, UNITS)
        self.private, self.rebuilt = (nn.ModuleList(nn.Linear(UNITS, UNITS) for _ in DIMS) for _ in range(2))
        self.block = nn.TransformerEncoderLayer(UNITS, HEADS, 4 * UNITS, RATE, batch_first=True)
        self.block.dropout = nn.Identity()  # ours has none within the feed-forward layer
        self.dropout = nn.Dropout(RATE)
        self.fused, self.linear = nn.Linear(6 * UNITS, 3 * UNITS), nn.Linear(3 * UNITS, 1)

    def forward(self, streams, lengths, mask):
        vectors = [layers(stream, lengths) for layers, stream in zip(self.vectors, streams, strict=True)]
        given = torch.stack(vectors, 1)
        shared = self.shared(given).sigmoid()
        private = torch.stack([layer(x) for layer, x in zip(self.private, vectors, strict=True)], 1).sigmoid()
        sums = (shared + private).unbind(1)
        rebuilt = torch.stack([layer(x) for layer, x in zip(self.rebuilt, sums, strict=True)], 1)
        read = self.block(torch.cat([private, shared], 1)).flatten(1)
        score = self.linear(self.dropout(self.fused(read).relu()))[:, 0]
        error = (given - rebuilt).square().mean()
        return score, discrepancy(shared) + 0.3 * overlap(shared, private) + error


class TwoStates(nn.Module):
    """A vector of a modality, from the final states of two LSTMs, one above the other."""

    def __init__(self, dim):
        super().__init__()
        self.lower, self.upper = nn.LSTM(dim, WORDS, batch_first=True), nn.LSTM(WORDS, WORDS, batch_first=True)
        self.dense = nn.Linear(2 * WORDS, UNITS)
        self.steps_norm, self.norm = nn.LayerNorm(WORDS), nn.LayerNorm(UNITS)
        self.dropout = nn.Dropout(RATE)

    def forward(self, stream, lengths):
        outputs, (lower, _) = self.lower(packed(stream, lengths, self.dropout))
        _, (upper, _) = self.upper(outputs._replace(data=self.dropout(self.steps_norm(outputs.data))))
        return self.norm(self.dense(torch.cat([lower[0], upper[0]], 1)).relu())


def discrepancy(shared):
    """The mean central moment discrepancy of two modalities, of `(batch, modalities, UNITS)`."""
    mean = shared.mean(0)
    centred = shared - mean
    moments = torch.stack([mean, *((centred**k).mean(0) for k in range(2, 6))])
    return (moments[:, [0, 0, 1]] - moments[:, [1, 2, 2]]).norm(dim=2).sum() / 3


def overlap(shared, private):
    """The sum over pairs of subspaces of the mean square of their products, each `(batch, modalities, UNITS)`."""
    vectors = torch.cat([shared, private], 1)
    unit = functional.normalize(vectors - vectors.mean(0), dim=2)
    products = torch.einsum("bpu,bpv->puv", unit[:, [0, 1, 2, 3, 3, 4]], unit[:, [3, 4, 5, 4, 5, 5]])
    return products.square().mean((1, 2)).sum()


class Context(nn.Module):
    """Final states of LSTMs over the steps, read along each video by modality, then all together."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList(nn.LSTM(dim, WORDS, batch_first=True) for dim in DIMS.values())
        self.contexts = nn.ModuleList(nn.LSTM(WORDS, UNITS, bidirectional=True) for _ in DIMS)
        self.joint = nn.LSTM(6 * UNITS, FUSED, bidirectional=True)
        self.dense, self.linear = nn.Linear(2 * FUSED, FUSED), nn.Linear(FUSED, 1)
        self.dropout = nn.Dropout(RATE)

    def forward(self, streams, lengths, mask, counts):
        read = []
        for stream, steps, context in zip(streams, self.steps, self.contexts, strict=True):
            _, (state, _) = steps(packed(stream, lengths, self.dropout))
            read.append(self.along(context, state[0], counts))
        context = self.along(self.joint, torch.cat(read, 1), counts)
        return self.linear(self.dropout(self.dense(self.dropout(context)).relu()))[:, 0]

    def along(self, lstm, vectors, counts):
        """What an LSTM gives at each segment, which reads the vectors of each video; `counts` are its segments."""
        outputs, _ = lstm(pack_sequence(self.dropout(vectors).split(counts), enforce_sorted=False))
        return torch.cat(unpack_sequence(outputs))


def packed(stream, lengths, dropout):
    """A stream without its padding, and without what is dropped."""
    sequence = pack_padded_sequence(stream, lengths, batch_first=True, enforce_sorted=False)
    return sequence._replace(data=dropout(sequence.data))
