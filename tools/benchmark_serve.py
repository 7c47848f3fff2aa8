"""Measurements of an exported model: how soon it answers, and how many segments it scores."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.inference.export import save_graph
from mmtrans.runs.run import Run
from mmtrans.runs.weights import save_weights
from mmtrans.training.objectives import kept_weights
from mmtrans.training.prepare import select
from mmtrans.training.train import build_objective, phase_codebook
from tools.benchmark_figures import Results, spread
from tools.benchmark_lengths import mosi_lengths
from tools.benchmark_options import Options
from tools.benchmark_process import run_measured
from tools.benchmark_train import DIMS, translation_config, write_records

BATCH_SIZES = (1, 64)

#: Calls of one measurement, after as many as warm up: the batches of MOSI's lengths differ in cost.
CALLS = 30

#: The client: TensorFlow alone. Batches hold neighbours in length, as a server's queue would not; so they are mixed.
_CLIENT = """
import json, sys, time
start = time.perf_counter()
import numpy as np
import tensorflow as tf
imported = time.perf_counter()
directory, plan = sys.argv[1], json.loads(sys.argv[2])
loaded = tf.saved_model.load(directory)
score = loaded.signatures["sentiment"]
ready = time.perf_counter()
rng = np.random.default_rng(0)
def batch(lengths):
    features = rng.standard_normal((len(lengths), max(lengths), plan["dim"])).astype("float32")
    return tf.constant(features), tf.constant(lengths, tf.int32)
def call(text, length):
    return score(text=text, length=length)["score"].numpy()
call(*batch(plan["batches"][0][0]))
results = {"import_s": imported - start, "load_s": ready - imported, "first_call_s": time.perf_counter() - ready}
seconds = []
for lengths in plan["batches"]:
    inputs = [batch(part) for part in lengths]
    for part in inputs:
        call(*part)
    times = []
    for part in inputs:
        begin = time.perf_counter()
        call(*part)
        times.append(time.perf_counter() - begin)
    seconds.append(times)
print(json.dumps({**results, "seconds": seconds}))
"""


def measure_serve(options: Options) -> Results:
    """An exported `T->A` of random weights in a process that has TensorFlow alone: its start, and its throughput.

    Returns:
        `import_s` (TensorFlow), `load_s` and `first_call_s`; for each batch size `n` the spread over calls of
        `batch_<n>_call_s`, and `batch_<n>_segments_per_s`; `export_mib`; and `peak_rss_mib` of the process.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        records = write_records(options, Path(directory) / "records")
        run = make_random_run(Path(directory) / "run", translation_config(options), records)
        exported = Path(directory) / "export"
        save_graph(run, exported)
        size = sum(path.stat().st_size for path in exported.rglob("*") if path.is_file())
        plan = {"dim": DIMS["text"], "batches": [_batches(size) for size in BATCH_SIZES]}
        usage = run_measured([sys.executable, "-I", "-c", _CLIENT, str(exported), json.dumps(plan)])
    told = json.loads(usage.stdout.splitlines()[-1])
    results = {name: round(told[name], 3) for name in ("import_s", "load_s", "first_call_s")}
    for batch_size, seconds in zip(BATCH_SIZES, told["seconds"], strict=True):
        results.update(spread(f"batch_{batch_size}_call_s", seconds, 5))
        results[f"batch_{batch_size}_segments_per_s"] = round(batch_size * len(seconds) / sum(seconds), 1)
    return {**results, "export_mib": round(size / 2**20, 2), "peak_rss_mib": usage.peak_rss_mib}


def make_random_run(path: Path, config: Config, records: Records) -> Run:
    """A run whose phases hold their initial weights, as if trained for no time.

    Args:
        path: the directory to make.
        config: the run's configuration.
        records: the records, opened with train.
    """
    run = Run.open_or_create(path, config, records)
    for phase in run.phases:
        run.phase_dir(phase).mkdir(parents=True)
        objective = build_objective(run, phase, records, phase_codebook(run, phase, records, select(phase, "train")))
        save_weights(run.weights_path(phase), kept_weights(objective))
    return run


def _batches(batch_size: int) -> list[list[int]]:
    lengths = mosi_lengths(batch_size * CALLS).tolist()
    return [lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size)]
