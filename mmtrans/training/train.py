"""Trains all phases of a run."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import math
from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.codebook import Codebook
from mmtrans.data.codebook_fit import fit_codebook
from mmtrans.data.records import Records, reporting_corruption
from mmtrans.models.build import build_translator
from mmtrans.models.cycle import build_cycle
from mmtrans.models.regressor import Regressor, own_representation
from mmtrans.models.rivals.build import OWN_TERMS
from mmtrans.recipe import Fusion
from mmtrans.runs.phase_file import PHASE_REMEDY, HistoryRow, PhaseStatus
from mmtrans.runs.phases import Phase, TranslationPhase
from mmtrans.runs.run import Run
from mmtrans.runs.status import is_begun, is_done, parent_weights_hash, read_status, write_status
from mmtrans.runs.text_encoder import fill_text_encoder
from mmtrans.runs.weights import load_weights, save_weights
from mmtrans.system.files import new_file, write_atomically
from mmtrans.system.lease import held, is_held
from mmtrans.training.checkpoints import discard_checkpoints
from mmtrans.training.devices import Devices
from mmtrans.training.execution import Execution
from mmtrans.training.init import copy_initial_weights
from mmtrans.training.loop import fit
from mmtrans.training.monitor import Monitor
from mmtrans.training.objectives import (
    JointObjective,
    SentimentObjective,
    TranslationObjective,
    kept_weights,
)
from mmtrans.training.prepare import Prepared, prepare_phases, worker_shard
from mmtrans.training.progress import Progress
from mmtrans.training.samples import make_samples

HISTORY_FIELDS = ("phase", "epoch", "loss", "valid_loss", "learning_rate", "gradient_norm", "segments_per_second")


#: What a phase minimises, of one of the three kinds.
PhaseObjective = TranslationObjective | SentimentObjective | JointObjective


def make_deterministic() -> None:
    """Makes every run with the same seed give the same numbers on the same device. Call it before any op runs."""
    tf.config.experimental.enable_op_determinism()


def train(
    run: Run,
    records: Records,
    quiet: bool = False,
    devices: Devices | None = None,
    execution: Execution | None = None,
    prepared: Sequence[Prepared] | None = None,
) -> None:
    """Trains the phases of a run that are not finished, each from its newest checkpoint.

    Args:
        run: the run. Several processes share its directory: the chief writes, the others read.
        records: the records, opened without the test split.
        quiet: no progress on the terminal.
        devices: devices to train on; `None` for one device.
        execution: how the data is shared, and how often a checkpoint is made; `None` for the defaults.
        prepared: what each phase reads, where `prepare_phases` was asked for it already.

    Raises:
        ValueError: the records lack what the recipe needs (a modality, labels, a split), or are corrupt; another
            process trains the run.
        FloatingPointError: a loss is not finite.
        KeyboardInterrupt: Ctrl-C or SIGTERM came to one of the processes.
        WorkerLostError: another process is gone.

    Example:
        ```pycon
        >>> records = api.Records.open("records", splits=("train", "valid"))
        >>> config = api.Config(recipe="T", epochs=1, regressor_units=4)
        >>> run = api.Run.open_or_create("steps", config, records)
        >>> api.train(run, records, quiet=True)
        >>> (run.path / "history.csv").is_file()
        True
        ```
    """
    devices = devices or Devices()
    execution = execution or Execution()
    if prepared is None:
        prepared = prepare_phases(run.config, records, worker_shard(devices, execution), run.init)
    is_kept = is_held(run.path) or not devices.is_chief
    with contextlib.nullcontext() if is_kept else held(run.path, "run"), devices.stopping_together():
        devices.agree("configuration", [run.config.to_dict(), run.manifest_hash])
        for phase, ready in zip(run.phases, prepared, strict=True):
            devices.check_stop()
            with reporting_corruption(records), devices.reporting_lost_workers():
                train_phase(run, phase, ready, quiet, devices, execution)
            if devices.is_chief:
                write_history(run)
        devices.check_stop()


def phase_codebook(run: Run, phase: Phase, records: Records, train: Selection) -> Codebook | None:
    """The codebook of a translation into tokens, fitted on train once and kept with the phase; else `None`."""
    if not (phase.translates and run.has_codebooks):
        return None
    path = run.codebook_path(phase)
    config = run.config
    if not path.is_file():
        codebook = fit_codebook(records, train, config.output.codebook_size, config.output.min_count, config.plan.seed)
        with new_file(path) as partial_path:
            codebook.save(partial_path)
    return Codebook.load(path, PHASE_REMEDY)


def build_objective(run: Run, phase: Phase, records: Records, codebook: Codebook | None = None) -> PhaseObjective:
    """Builds a phase's model from the run's seed; then it gets what the run's init gives it, then the parent's weights.

    Args:
        run: the run, whose earlier phases are trained.
        phase: the phase.
        records: the records that the phase sees; labels are read where it learns sentiment.
        codebook: tokens of the phase's target; `None` where it writes none.
    """
    keras.utils.set_random_seed(run.config.plan.seed)
    objective: PhaseObjective
    if isinstance(phase, TranslationPhase):
        translation = build_translation(run, phase, records, codebook)
        objective = translation
        if phase.scores:
            sentiment = build_sentiment(run, phase, records, translation.representation)
            objective = JointObjective(translation, sentiment, run.config.joint)
    else:
        objective = build_sentiment(run, phase, records)
    if phase.parent is not None:
        load_weights(run.weights_path(phase.parent), "representation", objective.inherited)
    return objective


def build_translation(
    run: Run, phase: TranslationPhase, records: Records, codebook: Codebook | None
) -> TranslationObjective:
    """Builds a phase's translation, with its way back if there is one, and copies what the run's init gives it."""
    config, statistics = run.config, run.statistics
    vocabulary_size = codebook.size if codebook else None
    translator = build_translator(phase.recipe, config, statistics, vocabulary_size, run.run_format)
    if phase.parent is None:
        fill_text_encoder(translator.model, records)
    cycle = build_cycle(phase.recipe, config, statistics, translator) if config.output.cycle_weight else None
    if run.init is not None:
        copy_initial_weights(run.init, run, phase, translator)
    return TranslationObjective(translator, cycle, config.output.cycle_weight)


def build_sentiment(
    run: Run, phase: Phase, records: Records, representation: keras.Model | None = None
) -> SentimentObjective:
    """Builds a phase's regressor, over a representation if one is given; it starts at the mean of the train labels."""
    bias = float(np.nanmean(records.labels("train")))
    if representation is None:
        representation = own_representation(phase.recipe, run.config, run.statistics, run.run_format)
        if phase.parent is None:
            fill_text_encoder(representation, records)
    own = OWN_TERMS.get(phase.recipe.method) if isinstance(phase.recipe, Fusion) else None
    own_terms = (lambda outputs, batch: own(outputs, batch, run.config.fusion)) if own else None
    return SentimentObjective(Regressor.over(representation, run.config, bias), run.config.regressor, own_terms)


def train_phase(
    run: Run, phase: Phase, prepared: Prepared, quiet: bool, devices: Devices, execution: Execution
) -> None:
    """Trains one phase, unless it is finished; `prepared` is what it reads."""
    config = run.config.for_phase(phase.scores, prepared.train_steps)
    with devices.chief_first():
        status = begin_phase(run, phase, devices.is_chief)
        if status.outcome is not None:
            return
        codebook = phase_codebook(run, phase, prepared.records, prepared.train)
    with devices.strategy.scope():
        objective = build_objective(run, phase, prepared.records, codebook)
        if phase.kind == "translation" and config.plan.untrained:
            progress = leave_untrained(run, phase, objective, devices.is_chief)
        else:
            data = prepared.batches(config.plan.seed, codebook)
            samples = logs_dir = None
            if devices.is_chief:
                logs_dir = run.path / "logs" / phase.name
                if not isinstance(objective, SentimentObjective):
                    samples = make_samples(objective.translator, prepared.records, prepared.valid, codebook)
            monitor = Monitor(
                phase.title,
                config.optimisation.epochs,
                data.train_steps,
                logs_dir,
                quiet=quiet or not devices.is_chief,
                samples=samples,
                record=functools.partial(write_history, run, phase) if devices.is_chief else None,
            )
            minutes = execution.checkpoint_minutes
            with monitor:
                progress = fit(objective, data, config, run.phase_dir(phase), monitor, devices, minutes)
    if devices.is_chief:
        outcome = progress.outcome(config.optimisation)
        # A model of several models may never be built as a whole, without which Keras does not count it.
        parameters = sum(math.prod(weight.shape) for weight in objective.model.weights)
        write_status(run, phase, replace(status, outcome=replace(outcome, parameters=parameters)))


def begin_phase(run: Run, phase: Phase, writes: bool) -> PhaseStatus:
    """Makes a phase's directory fit for training; the status has an outcome if there is nothing to train."""
    directory = run.phase_dir(phase)
    inherited = parent_weights_hash(run, phase)
    found = read_status(run, phase)
    if found is not None and is_done(found, phase, inherited, run.config.optimisation.epochs):
        return found
    status = PhaseStatus(phase.key, inherited)
    if writes:
        directory.mkdir(parents=True, exist_ok=True)
        if not is_begun(found, phase, inherited):
            # Its parent was trained on, so what was learned here rests on old weights. A codebook rests on none.
            discard_checkpoints(directory)
        write_status(run, phase, status)
    return status


def leave_untrained(run: Run, phase: Phase, objective: PhaseObjective, writes: bool) -> Progress:
    """Writes a phase's initial weights as its best, and returns the progress of no epoch."""
    if writes:
        save_weights(run.weights_path(phase), kept_weights(objective))
    return Progress()


def write_history(run: Run, ongoing: Phase | None = None, epochs: Sequence[HistoryRow] = ()) -> None:
    """Writes `history.csv`: one row per epoch of every finished phase, and of one that is under way. Where a loss has
    several terms, the valid loss of each is a column beside `HISTORY_FIELDS`.

    Args:
        run: the run.
        ongoing: the phase under way.
        epochs: its rows so far.
    """
    rows: list[dict[str, object]] = []
    for phase in run.phases:
        status = read_status(run, phase)
        found = status.outcome.history if status is not None and status.outcome is not None else []
        if ongoing is not None and phase.key == ongoing.key:
            found = epochs
        rows += [{"phase": phase.name, **row} for row in found]
    text = io.StringIO()
    names = dict.fromkeys([*HISTORY_FIELDS, *(name for row in rows for name in row)])
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(run.path / "history.csv", text.getvalue())
