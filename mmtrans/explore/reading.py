"""Reads segments of records as a run reads them, with their words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.evaluation.predictions import scored_selection
from mmtrans.runs.run import Run
from tfrecords.reader import read_ids


@dataclass(frozen=True)
class Source:
    """The source of a segment.

    Attributes:
        id: the segment's id.
        words: its words, one a step of aligned modalities; empty where there are none.
        features: modality → `(steps, dim)` float32, raw.
    """

    id: str
    words: tuple[str, ...]
    features: Mapping[str, np.ndarray]

    @property
    def steps(self) -> int:
        """Steps of its features, of the longest where each modality has its own."""
        return max(map(len, self.features.values()))


def read_sources(run: Run, records: Records, split: str) -> Iterator[Source]:
    """What a run reads of a split to score its labelled segments; unlabelled ones are there as neighbours alone."""
    inputs = run.recipe.inputs
    blocks = run.statistics.blocks(inputs)
    selection = scored_selection(run, split)
    size = run.config.optimisation.batch_size
    for batch in make_batches(records, selection, batch_size=size, tokens=True):
        arrays = {name: batch[name].numpy() for name in ("id", "tokens", "source", "source_length")}
        for id_, tokens, source, length in zip(*arrays.values(), strict=True):
            lengths = np.broadcast_to(length, len(blocks))
            features = {
                name: source[:own, start:stop]
                for own, (name, (start, stop)) in zip(lengths, blocks.items(), strict=True)
            }
            yield Source(id_.decode(), tuple(word.decode() for word in tokens if word), features)


def lacks_of(records: Records, split: str, sources: Iterator[Source] | list[Source]) -> dict[str, list[str]]:
    """Id → sentences on the modalities that a segment lacks, and on those of its source that stay the same."""
    lacks = defaultdict(list)
    for shard in records.shards(split, labelled=True):
        missing = [name for name in records.manifest.modalities if name not in shard.bucket_steps]
        for id_ in read_ids(records.directory / shard.file) if missing else ():
            lacks[id_] += [f"no {name}" for name in missing]
    for source in sources:
        for name, array in source.features.items():
            if len(array) > 1 and (array == array[0]).all():
                lacks[source.id].append(f"{name} does not change")
    return lacks
