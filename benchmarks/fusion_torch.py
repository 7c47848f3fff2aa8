"""Fusion models in PyTorch: what `python -m tools.benchmark fusion --against benchmarks/fusion_torch.py` runs.

    pip install torch==2.13.0 numpy          # in an environment of its own

Written from the equations of the papers, with the choices that `mmtrans.models.rivals` names where a paper leaves
something open; no code is copied. `--model` is one of:

tfn     Zadeh et al. 2017, section 4: the outer product of a vector a modality with a one behind each, two dense layers.
lmf     Liu et al. 2018, eq. 8 to 10: the product of what each modality's low-rank factor gives, summed over the rank.
mult    Tsai et al. 2019, section 3: convolutions, positions, crossmodal blocks, blocks of each modality.
misa    Hazarika et al. 2020, "Modality Representation Learning" to "Learning": two LSTMs a modality, a vector in a
        subspace of all and one in its own, a transformer's block, and three losses.
mfn     Zadeh et al. 2018a, section 3: an LSTM cell a modality, delta-memory attention, multi-view gated memory.
marn    Zadeh et al. 2018b, section 3: an LSTM cell a modality that also reads a code, made by a multi-attention block.
mvlstm  Rajagopalan et al. 2016, the hybrid: an LSTM cell a modality that also reads a share of the others' outputs.
gme     Chen et al. 2017, "Gated Multimodal Embedding" and "LSTM with Temporal Attention": gates of two modalities, an
        LSTM of all, attention over its steps.
bclstm  Poria et al. 2017, section 3: an LSTM a modality, then LSTMs along the segments of a video. Batches of videos.

Each has as many parameters as ours, but for `nn.LSTM`, which has two biases a gate where Keras has one: tfn, lmf and
gme have 256 more, misa 1536, bclstm 2560.

Text 300, audio 74 and video 47 wide, of the lengths of MOSI's train fold. Sizes are the defaults of mmtrans, read one
way. Neighbours in length share a batch, whose padding is that of its longest. LSTMs read packed sequences. Where the
cells of each step are read, the LSTMs of all modalities are one loop behind one product of all steps' inputs.
Dropout where ours has it, the mean absolute error, gradients clipped at norm 1, Adam.

Each number of `--threads` is measured by itself, from new weights: of small products PyTorch makes fewer a second with
two threads than with one where others use the machine too. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fusion_torch_apart import DIMS, Context, Crossmodal, LowRank, Subspaces, TensorFusion
from benchmarks.fusion_torch_stepwise import GatedEmbedding, MemoryFusion, MultiAttention, MultiView
from tools.benchmark_lengths import SEGMENTS_PER_VIDEO, mosi_lengths

MODELS = {
    "tfn": TensorFusion,
    "lmf": LowRank,
    "mult": Crossmodal,
    "misa": Subspaces,
    "mfn": MemoryFusion,
    "marn": MultiAttention,
    "mvlstm": MultiView,
    "gme": GatedEmbedding,
    "bclstm": Context,
}


def make_batches(segments, batch_size, epoch):
    """Batches of neighbours in length, in another order each epoch: what a model reads, and labels."""
    rng = np.random.default_rng(epoch)
    order = rng.permutation(len(segments))
    order = order[np.argsort([len(segments[i][0][0]) for i in order], kind="stable")]
    for start in rng.permutation(range(0, len(order), batch_size)):
        yield padded([segments[i] for i in order[start : start + batch_size]])


def make_video_batches(segments, batch_size, epoch):
    """Batches of whole videos in another order each epoch: what a model reads, segments of each video too; labels."""
    videos = [segments[i : i + SEGMENTS_PER_VIDEO] for i in range(0, len(segments), SEGMENTS_PER_VIDEO)]
    count = max(1, round(batch_size * len(videos) / len(segments)))
    order = np.random.default_rng(epoch).permutation(len(videos))
    for start in range(0, len(order), count):
        batch = [videos[i] for i in order[start : start + count]]
        inputs, labels = padded([row for video in batch for row in video])
        yield (*inputs, [len(video) for video in batch]), labels


def padded(rows):
    """Segments as `(streams, lengths, mask)`, and their labels."""
    lengths = torch.tensor([len(streams[0]) for streams, _ in rows])
    streams = [nn.utils.rnn.pad_sequence([row[0][i] for row in rows], batch_first=True) for i in range(len(DIMS))]
    return (streams, lengths, torch.arange(lengths.max()) < lengths[:, None]), torch.tensor([row[1] for row in rows])


def train_epoch(model, optimizer, batches):
    """The mean loss of an epoch; a model gives scores, or these and a loss of its own."""
    model.train()
    losses = []
    for inputs, labels in batches:
        given = model(*inputs)
        scores, own_loss = given if isinstance(given, tuple) else (given, 0.0)
        loss = (scores - labels).abs().mean() + own_loss
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
    batches = make_video_batches if isinstance(model, Context) else make_batches
    walls, cpus = [], []
    for epoch in range(options.epochs + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = train_epoch(model, optimizer, batches(segments, options.batch_size, epoch))
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
