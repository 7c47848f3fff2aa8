"""The one tf.data chain: shards → batches of a recipe."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mmtrans.data.batch import Selection, to_batch
from mmtrans.data.codebook import Codebook
from mmtrans.data.records import Records, reporting_corruption
from mmtrans.data.serialized import serialized_batches, serialized_videos
from mmtrans.data.videos import num_video_batches, video_batches
from mmtrans.recipe import OWN_STEPS, Features
from mmtrans.system.arithmetic import ceil_div
from tfrecords.manifest import Shard
from tfrecords.reader import parse_batch

#: Batches parsed at the same time, and batches ready before they are asked for.
_PARSED_AHEAD = 2


class EpochOrder(NamedTuple):
    """The order of an epoch, and where it starts.

    Attributes:
        seed: the run's seed.
        epoch: the epoch's number, from 0.
        skip: batches at its beginning that are left out: they are read again, but not parsed.
    """

    seed: int
    epoch: int
    skip: int = 0


class WorkerShard(NamedTuple):
    """What one of several workers reads.

    Attributes:
        index: this worker's place among them, from 0.
        num_workers: processes that train together.
        sharding: `rows` or `files`. With `rows` a worker reads rows `index::num_workers` of every global batch; with
            `files` every `num_workers`-th shard, so that it reads less, but the batches are not those of one worker.
    """

    index: int = 0
    num_workers: int = 1
    sharding: str = "rows"


#: What a worker reads that is alone: everything.
NO_SHARDING = WorkerShard()


def num_batches(records: Records, selection: Selection, batch_size: int, worker: WorkerShard = NO_SHARDING) -> int:
    """Batches of an epoch, the last one counted even if it is short. It is the same for every worker."""
    shards = records.shards(selection.split, selection.modalities, selection.labelled, selection.lacking)
    if selection.whole_videos:
        return num_video_batches(records.ids_in(shards, selection.labelled), batch_size)
    if worker.sharding == "rows":
        return ceil_div(sum(shard.segments for shard in shards), batch_size)
    largest = max(sum(shard.segments for shard in shards[i :: worker.num_workers]) for i in range(worker.num_workers))
    return ceil_div(largest, batch_size // worker.num_workers)


def make_batches(
    records: Records,
    selection: Selection,
    *,
    batch_size: int,
    shuffle: EpochOrder | tuple[int, int] | None = None,
    worker: WorkerShard | tuple[int, int] = NO_SHARDING,
    codebook: Codebook | None = None,
    tokens: bool = False,
) -> tf.data.Dataset:
    """Batches of one epoch: every selected segment exactly once, in batches of similar length.

    The order is a function of `shuffle`, so skipping resumes; and, where the shards are too large to be held in memory,
    of `tf.random.set_seed` where a program calls it.

    Args:
        records: the view to read from.
        selection: split, modalities and labels.
        batch_size: the global batch size, over all workers. Batches of whole videos have about so many segments: each
            has as many videos as have so many at their mean, at least one.
        shuffle: the order of the epoch; `None` for that of the shards, short segments first.
        worker: what this worker reads. All workers have equally many batches; some at the end of the epoch may have no
            rows.
        codebook: turns the target into token ids.
        tokens: whether the words are wanted too.

    Returns:
        Dicts of `id` `(batch,)` string; `source` `(batch, source_steps, source_dim)` float32, raw values, zero beyond
        `source_length` `(batch,)` int32; `label` `(batch,)` float32, NaN where there is none; and with a target
        `target` `(batch, target_steps, target_dim)` float32, `decoder_input`, the same one step later with zeros
        first, and `target_length` `(batch,)` int32. Steps are those of the longest segment in the batch.
        With a codebook `target` is `(batch, target_steps + 1)` int32, ending in EOS, which `target_length` counts;
        `decoder_input` is the same one step later with BOS first, and `target_features` holds the raw values.
        If the source's modalities are read apart, `source_length` is `(batch, modalities)`, the steps of each.
        If wanted, `tokens` `(batch, most words)` string. With whole videos also `video_number` `(batch,)` int64, equal
        for the segments of a video, and `segment_number` `(batch,)` int64, their number in it.

    Raises:
        ValueError: no such segments, a concatenation of unaligned modalities, arguments out of range, or corrupt shards
            that are few enough to be held in memory.

    Example:
        ```pycon
        >>> records = api.Records.open("records", splits=("train", "valid"))
        >>> selection = api.Selection("train", source=("text",), target=("audio",))
        >>> batch = next(iter(api.make_batches(records, selection, batch_size=4)))
        >>> batch["source"].shape[0], batch["source"].shape[2], batch["target"].shape[2]
        (4, 300, 74)
        ```
    """
    worker = worker if isinstance(worker, WorkerShard) else WorkerShard(*worker)
    _check(records, selection, batch_size, worker)
    # Buckets by length first: a batch of similar lengths carries little padding, the first-order cost of training.
    shards = _shards_of(records, selection, worker)
    steps = num_batches(records, selection, batch_size, worker)
    if worker.sharding == "files":
        batch_size = batch_size // worker.num_workers
        worker = NO_SHARDING
    order = None if shuffle is None else EpochOrder(*shuffle)
    rng = None if order is None else np.random.default_rng((order.seed, order.epoch))
    rows = records.rows(selection.labelled)
    with reporting_corruption(records):  # what is held is read here
        if selection.whole_videos:
            ids = records.ids_in(shards, selection.labelled)
            parts = video_batches(ids, batch_size, rng, worker.index, worker.num_workers)
            batches = serialized_videos(records.directory, shards, parts, rows)
            worker = NO_SHARDING
        else:
            batches = serialized_batches(records.directory, _pools(shards, selection), batch_size, rng, rows)
            missing = steps - ceil_div(sum(shard.segments for shard in shards), batch_size)
            if missing:
                batches = batches.concatenate(tf.data.Dataset.from_tensors(tf.zeros([0], tf.string)).repeat(missing))
    if order is not None:
        batches = batches.skip(order.skip)  # before parsing, which is the cost
    dims = tuple((modality, records.dim(modality)) for modality in selection.modalities)
    parser = _batch_parser(selection, dims, records.halves, worker, codebook, tokens)
    batches = batches.map(parser, num_parallel_calls=_PARSED_AHEAD, deterministic=True)
    if records.hidden_ids and not selection.labelled:
        batches = batches.map(functools.partial(_without_labels, hidden_ids=tf.constant(records.hidden_ids)))
    options = tf.data.Options()
    options.deterministic = True
    # The thread that tunes sleeps longer and longer, up to seconds, and may keep the end of an epoch waiting for it.
    options.autotune.enabled = False
    # A strategy that shards this dataset again would lose segments.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(_PARSED_AHEAD).with_options(options)


def check_selection(
    records: Records, selection: Selection, batch_size: int = 1, worker: WorkerShard = NO_SHARDING
) -> None:
    """Raises a ValueError where `make_batches` would; opens no shard."""
    _check(records, selection, batch_size, worker)
    _shards_of(records, selection, worker)


def _shards_of(records: Records, selection: Selection, worker: WorkerShard) -> tuple[Shard, ...]:
    """The shards that a worker reads, short ones first."""
    shards = records.shards(selection.split, selection.modalities, selection.labelled, selection.lacking)
    if worker.sharding == "rows":
        return shards
    if len(shards) < worker.num_workers:
        raise ValueError(
            f"There are fewer files than workers. Expected at least {worker.num_workers}. "
            f"Received: shards={len(shards)} ({records.directory}). Share the rows, with --sharding rows."
        )
    return shards[worker.index :: worker.num_workers]


def _check(records: Records, selection: Selection, batch_size: int, worker: WorkerShard) -> None:
    if batch_size < 1:
        raise ValueError(f"A batch must hold a segment. Expected 1 or more. Received: batch_size={batch_size}.")
    if not 0 <= worker.index < worker.num_workers:
        raise ValueError(f"A worker is (index, number). Expected 0 <= index < number. Received: worker={worker[:2]}.")
    if worker.sharding == "files" and batch_size % worker.num_workers:
        raise ValueError(
            f"A batch cannot be shared by files. Expected a multiple of {worker.num_workers} workers. "
            f"Received: batch_size={batch_size}. Choose another --batch-size, or --sharding rows."
        )
    if worker.sharding == "files" and selection.whole_videos:
        raise ValueError(
            "Whole videos cannot be shared by files, as the segments of one lie in several. Expected sharding='rows'. "
            "Received: sharding='files'. Leave --sharding out."
        )
    if not selection.source:
        raise ValueError(f"A selection must have a source. Expected modalities. Received: source={selection.source}.")
    for part in (() if selection.apart else selection.source, selection.target):
        unaligned = [modality for modality in part if not records.info(modality).aligned]
        if len(part) > 1 and unaligned:
            raise ValueError(
                f"Only aligned modalities can be read step by step together. Expected one step a word of "
                f"{', '.join(part)}. Received: unaligned {unaligned} ({records.directory}). Convert a source that is "
                f"aligned to words, or choose a recipe that reads each modality at its own steps, such as "
                f"mult({Features(part).letters}). The others are {', '.join(sorted(OWN_STEPS - {'mult'}))}."
            )
    if not records.shards(selection.split, selection.modalities, selection.labelled, selection.lacking):
        raise ValueError(
            f"No segments to read. Expected some with {list(selection.modalities)}"
            f"{' and a label' if selection.labelled else ''}. Received: none in split={selection.split!r} "
            f"({records.directory}). See what there is with `mmtrans inspect`."
        )


def _pools(shards: tuple[Shard, ...], selection: Selection) -> list[list[Shard]]:
    """Shards grouped by the bucket of the longest stream read, short ones first."""
    pools: dict[int, list[Shard]] = defaultdict(list)
    for shard in shards:
        pools[max(shard.bucket_steps[modality] for modality in selection.modalities)].append(shard)
    return [pools[steps] for steps in sorted(pools)]


@functools.lru_cache(maxsize=32)
def _batch_parser(
    selection: Selection,
    dims: tuple,
    halves: frozenset[str],
    worker: WorkerShard,
    codebook: Codebook | None,
    tokens: bool,
):
    """`(batch,)` string → the worker's rows as a batch. Kept, as its tracing is most of the time to start an epoch."""

    tokens = tokens or (codebook is not None and codebook.is_words)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        # The workers part the rows before parsing: parsing is the cost, reading is not.
        parsed = parse_batch(serialized[worker.index :: worker.num_workers], dict(dims), tokens, halves)
        return to_batch(parsed, selection, codebook)

    return parse


def _without_labels(batch: dict[str, tf.Tensor], hidden_ids: tf.Tensor) -> dict[str, tf.Tensor]:
    """A batch with NaN for the labels of some segments, given their ids `(hidden,)` string."""
    is_hidden = tf.reduce_any(batch["id"][:, None] == hidden_ids, 1)
    return {**batch, "label": tf.where(is_hidden, np.nan, batch["label"])}
