"""What the page of files says of the files themselves, and of keys and columns that no docstring tells."""

from __future__ import annotations

from collections.abc import Mapping

RECORDS = """
`mmtrans convert` writes a directory of records. `manifest.json` tells what it holds. Beside it lie the shards:
TFRecords, whose SHA-256 stands in the manifest. Features are stored as they were cleaned, and not normalised.
"""

RUN = """
`mmtrans train` writes a run, and `mmtrans evaluate` adds to it. Names that begin with a dot are of commands at work.
"""

RUN_FILES = {
    "config.yaml": "the [configuration](configuration.md)",
    "environment.json": "the records and their hash, what new data must be like, seed, versions, devices",
    "statistics.npz": "mean and standard deviation of each modality over train",
    "segments.json": "ids of the segments that it, and the run that it started from, were trained on",
    "history.csv": "a row for each phase and epoch: losses in training and on valid, and the learning rate",
    "phases/N-KIND-RECIPE/": "a phase: `phase.json`, the best weights in `best/`, checkpoints while it is trained",
    "metrics.json": "split → metrics, their 95 % intervals, and what is told beside them",
    "predictions.csv": "a row for each segment of each split that was evaluated: label and score on the label's scale",
    "robustness.json": "with `mmtrans evaluate --corrupt`: split → metrics over levels of corruption",
    "robustness.csv": "the same as a table",
    "plots/": "pictures",
    "logs/": "events of TensorBoard",
}

SEGMENTS = {
    "train": "ids of the train segments, whose labels may be hidden",
    "valid": "ids of the valid segments, which chose the epoch",
    "init": "ids that the run of `--init` had seen; empty without one, `null` where nobody knows",
}

PHASE = {
    "kind": "what is trained: `translation`, `sentiment`, or `joint` for both at once",
    "recipe": "the recipe of the phase",
    "key": "SHA-256 of all that decides what is learned; of an equal key nothing is trained twice",
    "inherited": "hash of the weights of the phase before it, or `null`",
    "finished": "whether it is trained; until then the keys of the next table are absent",
}

HISTORY = {
    "phase": "name of the phase's directory",
    "epoch": "number of the epoch, from 1 in each phase",
    "loss": "mean loss of training over the epoch's steps",
    "valid_loss": "loss on valid after the epoch, which chooses the best one",
    "learning_rate": "learning rate at the end of the epoch",
    "text_learning_rate": "the same of a text encoder that is tuned",
    "gradient_norm": "mean norm of the gradient over the steps, before it is clipped",
    "segments_per_second": "segments trained on for each second; the first epoch's has the making of the graph in it",
    "valid_TERM": "where a loss has several terms, such as `translation` and `sentiment`, each of them on valid",
}

PREDICTIONS = {
    "split": "split of the segment",
    "id": "id of the segment",
    "video_id": "id of its video",
    "label": "its label, on the label's scale",
    "prediction": "its score, on the label's scale",
}

#: Metric → what it is, with its unit.
METRICS = {
    "mae": "mean absolute error, in the label's unit",
    "pearson": "Pearson's r of scores and labels; `null` where one of them is constant",
    "acc2_has0": "share of segments whose sign is right, where neutral counts as positive",
    "acc2_non0": "the same without segments whose label is neutral",
    "f1_has0": "F1 of these signs, weighted by the true classes, where neutral counts as positive",
    "f1_non0": "the same without segments whose label is neutral",
    "acc5": "share of segments whose score, rounded to five classes, is the label's; for MOSI's scale alone",
    "acc7": "the same with seven classes",
    "binary_precision": "precision of the sign, weighted by the true classes, where neutral counts as positive",
    "binary_recall": "recall of the same",
    "binary_f1": "F1 of the same",
    "seven_precision": "precision of the seven classes, weighted by the true classes",
    "seven_recall": "recall of the same",
    "seven_f1": "F1 of the same",
    "extreme_recall": "share of the labels in classes -3 and 3 that are predicted in their own class",
}

SPLIT = """
Each metric `NAME` has a 95 % interval over videos, `NAME_low` and `NAME_high`. An ensemble also has `members`, and
`members_mean`, the mean of their metrics. A run with `--pretrain` has `translation` and no metrics.
"""

ROBUSTNESS = {
    "split": "the split",
    "corruption": "`missing`, `dropped`, `noise` or `shuffled`",
    "modality": "the modality that is corrupted",
    "level": "strength: a share, or of `noise` standard deviations of train",
    "METRIC": "a column for each metric of metrics.json; empty where it is undefined",
}

GRID = """
`mmtrans grid` writes a grid, and `mmtrans report` adds to it. Names that begin with a dot are of commands at work.
"""

GRID_FILES = {
    "grid.json": "what the grid is to hold",
    "failures.json": "run that failed → why; `{}` where none did",
    "runs/ROW-seed-N/": "a run, as above, evaluated on valid and on `metric_split`",
    "phases/KEY/": "a phase that was trained, named by the first 16 digits of its key; runs share its files",
    "logs/NAME.log": "what was printed in the training of a run, or of a translation",
    "inits/HASH/": "copy of a run that runs start from (`--init`)",
    "attempts/NAME/": "trainings under way, and those that failed; it goes when nothing is left to do",
    "report.html": "the report, a page that needs nothing else",
    "report.md": "the same as Markdown, without pictures",
    "report.tex": "its tables for LaTeX",
    "report.csv": "a row for each row of the grid, with all numbers",
}

#: Column of a report, or a group of them → what it is.
REPORT = {
    "recipe": "the recipe",
    "variant": "name of the variant; empty for the plain configuration",
    "untrained": "`True` for the control whose encoder is left as it was initialised",
    "label_fraction": "share of the train labels, 0.01 to 1",
    "seeds": "seeds of the runs that are finished, with spaces between them",
    "segments": "number of segments that were scored",
    "videos": "number of their videos",
    "collapsed": "number of runs whose predictions are (almost) constant",
    "METRIC_mean": "mean of a metric of metrics.json over the seeds, in the metric's unit",
    "METRIC_std": "its standard deviation over the seeds; empty for one seed",
    "METRIC_low": "lower end of its 95 % interval over videos and seeds; empty under ten videos",
    "METRIC_high": "upper end of the same",
    "paper_METRIC": "what the paper has for the recipe, of the whole CMU-MOSI",
    "KIND_baseline": "recipe that the row is held against",
    "KIND_segments": "number of segments that both scored",
    "KIND_mae_difference": "MAE of the row minus that of the baseline, in the label's unit",
    "KIND_low": "lower end of its 95 % interval; empty under ten videos",
    "KIND_high": "upper end of the same",
    "KIND_p": "two-sided p-value",
    "KIND_p_holm": "the same after Holm's correction over all rows of this kind",
}

KINDS = """
`KIND` tells what a row is held against: `concat` (all modalities of a translation, concatenated), `source` (its source
alone), `untrained` (its own encoder as it was initialised) or `plain` (of a named variant the plain configuration).
"""

SEARCH = """
`mmtrans tune` writes a search. Names that begin with a dot are of commands at work.
"""

SEARCH_FILES = {
    "search.json": "what the search varies, and how it judges",
    "trials.csv": "a row for each trial that has ended",
    "best.yaml": "configuration of the best trial, for `mmtrans train --config`; comments tell what it reached",
    "trials/NNNN/trial.json": "what became of a trial",
    "trials/NNNN/seed-N/": "run of a training, as above, evaluated on valid; N counts from 0",
    "trials/NNNN/seed-N-fold-K/": "the same with `--folds-cv`, of each fold; K counts from 0",
    "plots/parameters.png": "the metric over each field that was varied",
    "folds/fold-K/": "with `--folds-cv`: the records of a fold, whose valid split is held out",
    "logs/NAME.log": "what was printed in a training",
    "tuner/": "state of keras-tuner, in its own format",
    "work/": "trainings under way; it goes when nothing is left to do",
}

TRIALS = {
    "trial": "number of the trial, four digits",
    "status": "`completed` or `failed`",
    "OBJECTIVE": "the metric that decides, named as it is: its mean over seeds and folds; empty where the trial failed",
    "OBJECTIVE_seed_N": "the same of each seed, mean over folds",
    "max_epochs": "number of epochs that each phase might be trained for",
    "epochs": "number of epochs that were trained, over all phases, seeds and folds",
    "seconds": "time that the trial took in the command that ended it, in seconds",
    "FIELD": "a column for each field of the configuration that is varied: the value that was tried",
    "runs": "its run directories, below `trials/`, with spaces between them",
    "reason": "why it failed, one line",
}

EXPORT = "`mmtrans export` writes a model that plain TensorFlow runs."

EXPORT_FILES = {
    "saved_model.pb, variables/": "the SavedModel",
    "keras/": "the same models as Keras' own files",
    "signature.json": "what it reads and writes, the label's scale, metrics, versions, the SHA-256 of the files",
    "model_card.md": "the same for people",
}

#: Section of the page whose keys no docstring tells → them.
TABLES: Mapping[str, Mapping[str, str]] = {
    "run": RUN_FILES,
    "segments": SEGMENTS,
    "phase": PHASE,
    "history": HISTORY,
    "predictions": PREDICTIONS,
    "metrics": METRICS,
    "robustness": ROBUSTNESS,
    "grid": GRID_FILES,
    "report": REPORT,
    "search": SEARCH_FILES,
    "trials": TRIALS,
    "export": EXPORT_FILES,
}
