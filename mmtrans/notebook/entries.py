"""From files to a trained run, a call each; what a flag of the command line is named, a keyword is named here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

from mmtrans.config import Config
from mmtrans.conversion import convert as conversion
from mmtrans.conversion.parts import way_to_prepare
from mmtrans.data.records import Records
from mmtrans.engine.options import EngineOptions
from mmtrans.notebook.fitted import Fitted
from mmtrans.notebook.given import configuration
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.open import open_corpus
from mmtrans.system.quiet import quiet_logger
from mmtrans.training import train as training
from mmtrans.training.devices import Devices
from mmtrans.training.execution import Execution
from mmtrans.training.train import make_deterministic
from tfrecords.manifest import Manifest


@overload
def convert(source: Corpus, records_dir: str | Path, **options: Any) -> Manifest: ...
@overload
def convert(source: str | Path, records_dir: str | Path, **options: Any) -> Records: ...
def convert(
    source: Corpus | str | Path,
    records_dir: str | Path,
    *,
    max_steps: int | str | Mapping[str, int] = conversion.DEFAULT_MAX_STEPS,
    folds: str | Path | None = None,
    folds_path: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    **options: Any,
) -> Manifest | Records:
    """Converts a corpus into records.

    Args:
        source: file or folder in any known format; or an opened corpus.
        records_dir: the directory to make.
        max_steps: the longest streams kept: a number, `"50,audio=375"`, or limits as `parse_max_steps` gives them.
        folds: JSON or CSV file of videos by split.
        folds_path: the same.
        seed: seed of random folds, where there are none.
        overwrite: replace records that exist.
        jobs: worker processes that read parts of a `.csd` corpus. A script that asks for several calls this below
            `if __name__ == "__main__":`, as each of them imports the script.
        scheduler: or the address of a dask cluster's scheduler, e.g. `tcp://host:8786`; by default the one
            that `DASK_SCHEDULER_ADDRESS` names, if it does and `jobs` is not given.
        resources: what a part takes of that which the cluster's workers declare: `{"GPU": 1}`.
        options: of `api.open_corpus`, where `source` is a path: `glove`, `text_encoder`, `label`, …

    Returns:
        the opened records; of an opened corpus their manifest.

    Raises:
        FileNotFoundError, ValueError: as of `api.open_corpus` and of the conversion.
        TypeError: there is no such option.

    Example:
        ```pycon
        >>> records = api.convert("corpus", "converted", max_steps=30)
        >>> records.manifest.label.name
        'sentiment'
        ```
    """
    if isinstance(source, Corpus) and options:
        raise TypeError(
            f"An opened corpus takes no more options. Expected them in open_corpus. Received: {', '.join(options)}."
        )
    where = EngineOptions.chosen(jobs, scheduler, resources)
    corpus = source if isinstance(source, Corpus) else open_corpus(source, **options)
    limits = max_steps if isinstance(max_steps, Mapping) else conversion.parse_max_steps(str(max_steps))
    manifest = conversion.convert(
        corpus,
        records_dir,
        max_steps=limits,
        folds_path=folds or folds_path,
        seed=seed,
        overwrite=overwrite,
        prepare=way_to_prepare(corpus, where),
    )
    return manifest if isinstance(source, Corpus) else Records.open(records_dir)


@quiet_logger()
def fit(
    data: Records | str | Path,
    *,
    run: str | Path | None = None,
    preset: str | None = None,
    config: Config | str | Path | None = None,
    quiet: bool = False,
    **fields: Any,
) -> Fitted:
    """Trains a recipe on records, as `mmtrans train` does: a run that was stopped goes on, a finished one is opened.

    Args:
        data: the records, or their directory. Test is not read.
        run: directory of the run; by default `runs/<recipe>-<hash>` here, which the same call finds again.
        preset: a configuration that ships, in place of the default: `paper` or `best`. A file overrides it, fields
            override both.
        config: a configuration, or a YAML file of one.
        quiet: show no progress.
        fields: fields of the configuration, named as the flags of `mmtrans train`: `recipe`, `epochs`, `units`, …

    Returns:
        the finished run.

    Raises:
        ValueError: a field is unknown or out of range; as of `api.train`.
        FloatingPointError: a loss is not finite.

    Example:
        ```pycon
        >>> fitted = api.fit("records", run="fitted", recipe="T", epochs=1, regressor_units=4, quiet=True)
        >>> len(fitted.history)  # a row an epoch
        1
        ```
    """
    directory = data.directory if isinstance(data, Records) else data
    records = Records.open(directory, splits=("train", "valid"))
    chosen = configuration(config, preset, fields)
    make_deterministic()
    path = Path(run or chosen.default_run(records.manifest.manifest_hash))
    opened = Run.open_or_create(path, chosen, records)
    training.train(opened, records, quiet)
    return Fitted(opened)


def train(
    run: Run,
    records: Records | None = None,
    quiet: bool = False,
    devices: Devices | None = None,
    execution: Execution | None = None,
    **fields: Any,
) -> None:
    """Trains the phases of a run that are not finished; `api.fit` makes the run too.

    Args:
        run: an opened run, which has its configuration already.
        records: the records, opened without the test split.
        quiet: show no progress.
        devices: devices to train on; `None` for one device.
        execution: how the data is shared, and how often a checkpoint is made; `None` for the defaults.
        fields: none; whoever gives fields of the configuration is told of `api.fit`.

    Raises:
        TypeError: `run` is no opened run, there are no records, or fields are given.
        ValueError, FloatingPointError, KeyboardInterrupt: as of `mmtrans.training.train.train`.

    Example:
        ```pycon
        >>> records = api.Records.open("records", splits=("train", "valid"))
        >>> config = api.Config(recipe="T", epochs=1, regressor_units=4)
        >>> run = api.Run.open_or_create("own", config, records)
        >>> api.train(run, records, quiet=True)
        >>> run.phases[0].title
        'sentiment T'
        ```
    """
    if fields or records is None or not isinstance(run, Run):
        received = ", ".join([type(run).__name__, *(f"{name}=…" for name in fields)])
        raise TypeError(
            "`api.train` trains a run that was opened. Expected train(run, records). "
            f"Received: train({received}). From records and fields of the configuration, call "
            'api.fit("records", recipe="T").'
        )
    training.train(run, records, quiet, devices, execution)


def open_run(path: str | Path) -> Fitted:
    """Opens a finished run.

    Raises:
        FileNotFoundError: the directory holds no run.
        ValueError: the run is not finished or damaged.

    Example:
        ```pycon
        >>> api.open_run("run").config.plan.recipe
        'T'
        ```
    """
    run = Run.open(path)
    check_finished(run)
    return Fitted(run)
