"""Trains all phases of a run."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.config.effect import check_consistent
from mmtrans.data.codebook import Codebook
from mmtrans.data.codebook_fit import fit_codebook
from mmtrans.data.pipeline import (
    NO_SHARDING,
    EpochOrder,
    Selection,
    WorkerShard,
    check_selection,
    make_batches,
    num_batches,
)
from mmtrans.data.records import Records, reporting_corruption
from mmtrans.models.cycle import build_cycle
from mmtrans.models.regressor import build_regressor
from mmtrans.models.translator import build_translator
from mmtrans.runs.phases import Phase, phases_of
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished, is_done, parent_weights_hash, read_status
from mmtrans.runs.weights import PHASE_REMEDY, load_weights, save_weights
from mmtrans.system.files import new_file, write_atomically
from mmtrans.system.lease import held, is_held
from mmtrans.training.devices import Devices
from mmtrans.training.execution import Execution
from mmtrans.training.init import check_init, copy_initial_weights
from mmtrans.training.loop import PhaseData, fit
from mmtrans.training.monitor import Monitor
from mmtrans.training.objectives import (
    JointObjective,
    Objective,
    SentimentObjective,
    TranslationObjective,
    kept_weights,
    representation_of,
)
from mmtrans.training.samples import make_samples

HISTORY_FIELDS = ("phase", "epoch", "loss", "valid_loss", "learning_rate", "gradient_norm", "segments_per_second")


def make_deterministic() -> None:
    """Makes every run with the same seed give the same numbers on the same device. Call it before any op runs."""
    tf.config.experimental.enable_op_determinism()


def train(
    run: Run,
    records: Records,
    quiet: bool = False,
    devices: Devices | None = None,
    execution: Execution | None = None,
) -> None:
    """Trains the phases of a run that are not finished, each from its newest checkpoint.

    Args:
        run: the run. Several processes share its directory: the chief writes, the others read.
        records: opened without the test split.
        quiet: no progress on the terminal.
        devices: where to train; `None` for one device.
        execution: how the data is shared, and how often a checkpoint is made; `None` for the defaults.

    Raises:
        ValueError: the records lack what the recipe needs (a modality, labels, a split), or are corrupt; another
            process trains the run.
        FloatingPointError: a loss is not finite.
        WorkerLostError: another process is gone.
    """
    devices, execution = devices or Devices(), execution or Execution()
    check_recipe(run.config, records, worker_shard(devices, execution), run.init)
    with contextlib.nullcontext() if is_held(run.path) or not devices.is_chief else held(run.path, "run"):
        devices.agree("configuration", [run.config.to_dict(), run.manifest_hash])
        for phase in run.phases:
            with reporting_corruption(records), devices.reporting_lost_workers():
                train_phase(run, phase, records, quiet, devices, execution)
            if devices.is_chief:
                write_history(run)


def check_recipe(config: Config, records: Records, worker: WorkerShard = NO_SHARDING, init: Run | None = None) -> None:
    """Raises a ValueError where a configuration cannot be trained on the records. Call it before a run is made.

    Args:
        config: the configuration.
        records: which may lack what its recipe needs.
        worker: a share of them, which it may be impossible to make.
        init: the run that it starts from, which may not fit; `None` for the one that `config.init` names.
    """
    check_consistent(config)
    if config.init:
        init = init or Run.open(config.init)
        check_finished(init, init.translations)
        check_init(init, config, records)
    for phase in phases_of(config, records.manifest.manifest_hash):
        narrowed = records_of(phase, config, records)
        check_data(phase, narrowed)
        check_selection(narrowed, selection(phase, "train"), config.batch_size, worker)


def worker_shard(devices: Devices, execution: Execution) -> WorkerShard:
    """The share of this process."""
    return WorkerShard(devices.cluster.index, devices.cluster.number, execution.sharding)


def check_data(phase: Phase, records: Records) -> None:
    """Raises a ValueError where train or valid hold nothing for a phase, or streams that cannot be concatenated."""
    for split in ("train", "valid"):
        selected = selection(phase, split)
        if not num_batches(records, replace(selected, labelled=phase.scores), 1):
            what = "labelled segments" if phase.scores else "segments"
            lacks_labels = phase.scores and (phase.translates or phase.parent)
            pretrain = ", or train the translation alone with --pretrain" if lacks_labels else ""
            raise ValueError(
                f"Nothing to train on. Expected {what} with {', '.join(selected.modalities)} in the {split} split. "
                f"Received: none ({records.directory}). Convert a corpus that has them, or choose folds with "
                f"--folds{pretrain}."
            )
        check_selection(records, selected)


def selection(phase: Phase, split: str) -> Selection:
    """What a phase reads of a split: translations also train on unlabelled segments."""
    target = phase.recipe.target.modalities if phase.translates else ()
    return Selection(split, phase.recipe.inputs.modalities, target, labelled=not phase.translates)


def records_of(phase: Phase, config: Config, records: Records) -> Records:
    """The records as a phase sees them: one that learns sentiment may be given but a share of the train labels."""
    return records.with_label_fraction(config.label_fraction, config.seed) if phase.scores else records


def phase_codebook(run: Run, phase: Phase, records: Records) -> Codebook | None:
    """The codebook of a translation into tokens, fitted on train once and kept with the phase; else `None`."""
    if not phase.translates or run.config.target != "tokens":
        return None
    path, config = run.codebook_path(phase), run.config
    if not path.is_file():
        codebook = fit_codebook(records, selection(phase, "train"), config.codebook_size, config.min_count, config.seed)
        with new_file(path) as partial_path:
            codebook.save(partial_path)
    return Codebook.load(path, PHASE_REMEDY)


def phase_data(
    phase: Phase, records: Records, config: Config, codebook: Codebook | None = None, worker: WorkerShard = NO_SHARDING
) -> PhaseData:
    """A worker's share of the batches of a phase; of valid it is rows, as the order of valid is of no account."""
    size, selected = config.batch_size, selection(phase, "train")

    def make(*arguments, **options) -> tf.data.Dataset:
        # Before each pass, so that no epoch counts that has read other records than the one before.
        records.check_unchanged()
        return make_batches(records, *arguments, batch_size=size, codebook=codebook, **options)

    return PhaseData(
        train=lambda epoch, skip=0: make(selected, shuffle=EpochOrder(config.seed, epoch, skip), worker=worker),
        valid=lambda: make(selection(phase, "valid"), worker=worker._replace(sharding="rows")),
        train_steps=num_batches(records, selected, size, worker),
    )


def build_objective(run: Run, phase: Phase, records: Records, codebook: Codebook | None = None) -> Objective:
    """Builds a phase's model from the run's seed; takes over the run's init, then the parent's representation."""
    parts, config = (phase.recipe, run.config, run.statistics), run.config
    keras.utils.set_random_seed(config.seed)
    shared = None
    if phase.translates:
        translator = build_translator(*parts, codebook.size if codebook else None, run.run_format)
        cycle = build_cycle(*parts, translator) if config.cycle_weight else None
        objective = TranslationObjective(translator, cycle, config.cycle_weight)
        outer = shared = translator.representation
        if run.init is not None:
            copy_initial_weights(run.init, run, phase, translator)
    if phase.scores:
        bias = float(np.nanmean(records.labels("train")))
        regressor = build_regressor(*parts, bias, shared, run.run_format)
        sentiment = SentimentObjective(regressor, config)
        if shared is None:
            objective, outer = sentiment, regressor
        else:
            objective = JointObjective(objective, sentiment, config)
    if phase.parent is not None:
        load_weights(run.weights_path(phase.parent), "representation", representation_of(outer))
    return objective


def train_phase(run: Run, phase: Phase, records: Records, quiet: bool, devices: Devices, execution: Execution) -> None:
    """Trains one phase, unless it is finished."""
    directory, config, records = run.phase_dir(phase), run.config, records_of(phase, run.config, records)
    with devices.chief_first():
        status = begin_phase(run, phase, devices.is_chief)
        if status["finished"]:
            return
        codebook = phase_codebook(run, phase, records)
    with devices.strategy.scope():
        objective = build_objective(run, phase, records, codebook)
        if phase.kind == "translation" and config.untrained:
            progress = leave_untrained(run, phase, objective, devices.is_chief)
        else:
            data = phase_data(phase, records, config, codebook, worker_shard(devices, execution))
            samples, logs_dir, workers = None, None, devices.cluster.number
            if devices.is_chief:
                logs_dir = run.path / "logs" / phase.name
                if phase.translates:
                    samples = make_samples(objective.translator, records, selection(phase, "valid"), codebook)
            quiet = quiet or not devices.is_chief
            with Monitor(phase.title, config.epochs, data.train_steps, logs_dir, quiet, samples, workers) as monitor:
                progress = fit(objective, data, config, directory, monitor, devices, execution.checkpoint_minutes)
    if devices.is_chief:
        status.update(finished=True, epochs=config.epochs, stopped_by=stopped_by(progress, config))
        status.update((name, value) for name, value in progress.items() if name not in ("losses", "norms"))
        write_atomically(directory / "phase.json", json.dumps(status, indent=2))


def stopped_by(progress: dict, config: Config) -> str:
    """What ended a phase: `untrained`, `epochs` or `patience`."""
    if not progress["epoch"]:
        return "untrained"
    return "epochs" if progress["epoch"] >= config.epochs else "patience"


def begin_phase(run: Run, phase: Phase, writes: bool) -> dict:
    """Makes a phase's directory fit for training, and returns its status, `finished` if there is nothing to train."""
    directory, inherited, status = run.phase_dir(phase), parent_weights_hash(run, phase), read_status(run, phase)
    if is_done(status, phase, inherited, run.config.epochs):
        return status
    fits = status is not None and (status["key"], status["inherited"]) == (phase.key, inherited)
    status = {
        "kind": phase.kind,
        "recipe": str(phase.recipe),
        "key": phase.key,
        "inherited": inherited,
        "finished": False,
    }
    if writes:
        if not fits and directory.exists():
            # Its parent was trained on, so what was learned here rests on old weights. Without a phase.json a kill
            # came while this was removed.
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / "phase.json", json.dumps(status, indent=2))
    return status


def leave_untrained(run: Run, phase: Phase, objective: Objective, writes: bool) -> dict:
    """Writes a phase's initial weights as its best, and returns the progress of no epoch."""
    if writes:
        save_weights(run.weights_path(phase), kept_weights(objective.model))
    return {"epoch": 0, "step": 0, "best_loss": None, "best_epoch": 0, "history": []}


def write_history(run: Run) -> None:
    """Writes `history.csv`: one row per epoch of every finished phase. Where a loss has several terms, the valid loss
    of each is a column beside `HISTORY_FIELDS`."""
    text, statuses = io.StringIO(), {phase.name: read_status(run, phase) or {} for phase in run.phases}
    rows = [{"phase": name, **row} for name, status in statuses.items() for row in status.get("history", ())]
    writer = csv.DictWriter(
        text, dict.fromkeys([*HISTORY_FIELDS, *(n for row in rows for n in row)]), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(run.path / "history.csv", text.getvalue())
