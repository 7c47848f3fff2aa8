"""What the phases of a run read of its records: worked out once and checked once, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from mmtrans.config import Config
from mmtrans.config.effect import check_consistent
from mmtrans.data.batch import Selection
from mmtrans.data.codebook import Codebook
from mmtrans.data.pipeline import NO_SHARDING, EpochOrder, WorkerShard, check_selection, make_batches, num_batches
from mmtrans.data.records import Records
from mmtrans.data.videos import video_rows
from mmtrans.runs.phases import Phase, phases_of
from mmtrans.runs.reading import check_left, labels_left, select
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished
from mmtrans.runs.text_encoder import check_pieces
from mmtrans.training.devices import Devices
from mmtrans.training.execution import Execution
from mmtrans.training.init import check_init
from mmtrans.training.loop import PhaseData


@dataclass(frozen=True)
class Prepared:
    """What one phase reads. Make it with `prepare`, which checks it.

    Attributes:
        records: the view that the phase has: where it learns sentiment, but the shares of the labels that it may see.
        train: what is read of the train split.
        valid: what is read of the valid split.
        batch_size: segments in a batch, over all workers.
        worker: what this process reads of the train batches.
        train_steps: batches of an epoch.
    """

    records: Records
    train: Selection
    valid: Selection
    batch_size: int
    worker: WorkerShard
    train_steps: int

    def batches(self, seed: int, codebook: Codebook | None = None) -> PhaseData:
        """Batches of the phase for one worker. Validation is always sharded by rows: its order does not matter.

        Args:
            seed: seed of the order of the batches in each epoch.
            codebook: turns the target into tokens; `None` for features.
        """

        def make(selection: Selection, worker: WorkerShard, order: EpochOrder | None = None) -> tf.data.Dataset:
            # Before each pass, so that no epoch counts that has read other records than the one before.
            self.records.check_unchanged()
            return make_batches(
                self.records, selection, batch_size=self.batch_size, shuffle=order, worker=worker, codebook=codebook
            )

        return PhaseData(
            train=lambda epoch, skip=0: make(self.train, self.worker, EpochOrder(seed, epoch, skip)),
            valid=lambda: make(self.valid, self.worker._replace(sharding="rows")),
            train_steps=self.train_steps,
        )


def prepare_phases(
    config: Config, records: Records, worker: WorkerShard = NO_SHARDING, init: Run | None = None
) -> list[Prepared]:
    """What each phase of a configuration reads, in the order of training. Call it before a run is made.

    Args:
        config: the configuration.
        records: the records, opened with train and valid.
        worker: what this process reads of each batch.
        init: the run that it starts from; `None` for the one that `config.plan.init` names.

    Raises:
        FileNotFoundError: there is no run at `config.plan.init`, or no text encoder.
        ValueError: the configuration cannot be trained on the records: they lack what the recipe needs, or the run to
            start from does not fit, or the text encoder does not.
    """
    check_consistent(config)
    check_pieces(config, records)
    if config.plan.init:
        init = init or Run.open(config.plan.init)
        check_finished(init, init.translations)
        check_init(init, config, records)
    phases = phases_of(config, records.manifest.manifest_hash)
    return [prepare(phase, config, records, worker) for phase in phases]


def prepare(phase: Phase, config: Config, records: Records, worker: WorkerShard = NO_SHARDING) -> Prepared:
    """What a phase reads. Arguments are those of `prepare_phases`.

    Raises:
        ValueError: train or valid hold nothing for the phase, streams that cannot be concatenated, or no such share
            for a worker.
    """
    train, valid = (select(phase, split, records.unaligned) for split in ("train", "valid"))
    for selected in (train, valid):
        check_data(phase, records, selected)
        if phase.scores:
            check_left(config, records, selected)
    if phase.scores:
        records = labels_left(config, records)
    check_selection(records, train, config.optimisation.batch_size, worker)
    if train.whole_videos:
        check_neighbours(phase, records, train)
    steps = num_batches(records, train, config.optimisation.batch_size, worker)
    return Prepared(records, train, valid, config.optimisation.batch_size, worker, steps)


def check_neighbours(phase: Phase, records: Records, selected: Selection) -> None:
    """Raises a ValueError where a phase reads a segment's neighbours, and no segment of a split has any."""
    ids = records.ids_in(records.shards(selected.split, selected.modalities, selected.labelled), selected.labelled)
    if len(video_rows(ids)) < len(ids):
        return
    raise ValueError(
        f"No segment has neighbours, and {phase.recipe} reads them. Expected ids such as 'video[3]' in the "
        f"{selected.split} split, and several segments of a video. Received: {len(ids)} videos of one segment each "
        f"({records.directory}). Convert a source that tells the video of each segment, or choose a recipe that reads "
        f"each by itself, such as late({phase.recipe.inputs.letters})."
    )


def worker_shard(devices: Devices, execution: Execution) -> WorkerShard:
    """What this process reads of the train batches."""
    return WorkerShard(devices.cluster.index, devices.cluster.num_processes, execution.sharding)


def check_data(phase: Phase, records: Records, selected: Selection) -> None:
    """Raises a ValueError where a split holds nothing for a phase, or streams that cannot be concatenated."""
    if not records.count(selected.split, selected.modalities, labelled=phase.scores):
        what = "labelled segments" if phase.scores else "segments"
        lacks_labels = phase.scores and (phase.translates or phase.parent)
        pretrain = ", or train the translation alone with --pretrain" if lacks_labels else ""
        raise ValueError(
            f"Nothing to train on. Expected {what} with {', '.join(selected.modalities)} in the {selected.split} "
            f"split. Received: none ({records.directory}). Convert a corpus that has them, or choose folds with "
            f"--folds{pretrain}."
        )
    check_selection(records, selected)
