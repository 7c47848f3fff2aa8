"""A trained run as a notebook wants it: its course, metrics and predictions as tables, its plots as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from matplotlib.figure import Figure

from mmtrans.config import Config
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.evaluate import evaluate_sentiment
from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.plots.history import loss_names, plot_history
from mmtrans.evaluation.plots.scores import plot_confusion, plot_predictions
from mmtrans.evaluation.predictions import Predictions, make_scorer, predict_split
from mmtrans.evaluation.shapes import SentimentResult
from mmtrans.evaluation.suitability import open_records
from mmtrans.explore.write import place_of_page, write_page
from mmtrans.inference.attention import draw_attention
from mmtrans.inference.export import export
from mmtrans.inference.predict import Prediction, predict
from mmtrans.inference.scorer import Scorer
from mmtrans.inference.translate import Translated, translate
from mmtrans.notebook.page import Page
from mmtrans.notebook.tables import table
from mmtrans.runs.environment import label_of
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished, read_outcome
from mmtrans.sources.open import open_corpus
from mmtrans.system.escape import for_html
from mmtrans.system.quiet import quiet_logger
from mmtrans.text import predict_text


@dataclass(frozen=True)
class Fitted:
    """A finished run, as `api.fit` and `api.open_run` give it.

    Attributes:
        run: the run.

    Example:
        ```pycon
        >>> fitted = api.open_run("run")
        >>> len(fitted.history)  # a row an epoch
        2
        >>> metrics = fitted.metrics("valid")  # a row a metric, with its interval
        >>> predictions = fitted.predictions("valid")  # a row a segment
        >>> fitted.plot.scatter("valid")
        <Picture size ...>
        ```
    """

    run: Run

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.run.path

    @property
    def config(self) -> Config:
        """The configuration that it was trained with."""
        return self.run.config

    @property
    def history(self) -> Any:
        """The course of training: a table with a row an epoch, `phase`, `epoch`, `loss`, `valid_loss` first."""
        rows = [
            {"phase": phase.name, **row} for phase in self.run.phases for row in read_outcome(self.run, phase).history
        ]
        return table(rows, ("phase", "epoch", "loss", "valid_loss"))

    def metrics(self, split: str = "valid") -> Any:
        """The metrics of a split of the run's records, which are kept in the run as by `mmtrans evaluate`.

        Args:
            split: `train`, `valid` or `test`. Look at test once the model is chosen.

        Returns:
            a table with a row a metric: `metric`, `value`, the 95 % interval over videos `low` and `high` (`None` where
            there are too few videos), and of always predicting the train median `median`.

        Raises:
            ValueError: as of `evaluate`.
            FileNotFoundError: the records are gone.
        """
        result = self._evaluated(split)
        figures = cast("dict[str, Any]", result)
        rows = [
            {
                "metric": name,
                "value": figures[name],
                "low": figures[f"{name}_low"],
                "high": figures[f"{name}_high"],
                "median": figures["baselines"]["median"][name],
            }
            for name in METRICS
        ]
        return table(rows)

    def predictions(self, split: str = "valid") -> Any:
        """What the run predicts for the labelled segments of a split: a table with a row a segment.

        Args:
            split: `train`, `valid` or `test`.

        Returns:
            the columns `id`, `video`, `words`, `label`, `prediction` and `error`, in label units.

        Raises:
            ValueError, FileNotFoundError: as of `metrics`.
        """
        found = self._predicted(split)
        columns = zip(found.ids, found.videos, found.words, found.labels, found.scores, strict=True)
        return table(
            [
                {
                    "id": name,
                    "video": video,
                    "words": words,
                    "label": float(label),
                    "prediction": float(score),
                    "error": float(score - label),
                }
                for name, video, words, label, score in columns
            ],
            ("id", "video", "words", "label", "prediction", "error"),
        )

    def translate(self, split: str = "valid", **options: Any) -> Iterator[Translated]:
        """Decodes the target of a split's segments, one after the other.

        Args:
            split: `train`, `valid` or `test`.
            options: fields of `SearchOptions`, as in `beam_width=10`.

        Raises:
            ValueError: the run does not translate; an option is out of range.
        """
        return translate(self.run, open_records(self.run), split, SearchOptions(**options))

    def predict(self, source: str | Path, **options: Any) -> list[Prediction]:
        """Scores the segments of a corpus in any known format.

        Args:
            source: file or folder of the corpus.
            options: as of `api.open_corpus`.

        Raises:
            ValueError, FileNotFoundError: as of `api.open_corpus` and `api.predict`.
        """
        return list(predict(Scorer.open(self.path), open_corpus(source, **options)))

    def predict_text(self, texts: str | Sequence[str], **options: Any) -> list[Prediction | None]:
        """Scores utterances; of one, give its text alone. Options as of `api.predict_text`."""
        return predict_text(self.run, [texts] if isinstance(texts, str) else texts, **options)

    @quiet_logger()
    def export(self, directory: str | Path, overwrite: bool = False) -> Path:
        """Writes a SavedModel that plain TensorFlow runs, and returns its directory. Raises as `api.export`."""
        export(self.run, directory, overwrite)
        return Path(directory)

    @quiet_logger()
    def explore(self, *others: Fitted, split: str = "valid", out: str | Path | None = None) -> Page:
        """The segment explorer: a page to look at the segments of a split, as by `mmtrans explore`.

        Args:
            others: runs of the same records that are shown beside this one.
            split: `train`, `valid`, or `test` once `metrics("test")` has been looked at.
            out: the page's file; by default `explore-<split>.html` in the run, with `others` here.

        Returns:
            the page, which a notebook shows.

        Raises:
            ValueError: test has not been scored; the runs are of different records; or the package of the charts is
                missing (the extra `[explore]`).
            FileNotFoundError: the records are gone.
        """
        runs = [self.run, *(other.run for other in others)]
        place = place_of_page([run.path for run in runs], split, out)
        write_page(runs, split, place)
        return Page(place, height=900)

    @property
    def plot(self) -> Plots:
        """The run's pictures."""
        return Plots(self)

    @quiet_logger()
    def _evaluated(self, split: str) -> SentimentResult:
        return evaluate_sentiment(self.run, open_records(self.run, splits=tuple({"train", split})), split)

    @quiet_logger()
    def _predicted(self, split: str) -> Predictions:
        check_finished(self.run)
        return predict_split(self.run, open_records(self.run, splits=(split,)), split, make_scorer(self.run))

    def __repr__(self) -> str:
        return f"Fitted({str(self.run.recipe)!r}, seed {self.config.plan.seed}, {str(self.path)!r})"

    def _repr_html_(self) -> str:
        ends = [(phase.name, read_outcome(self.run, phase)) for phase in self.run.phases]
        rows = "".join(
            f"<tr><td>{for_html(name)}</td><td>{end.epoch} of {end.epochs}</td>"
            f"<td>{'' if end.best_loss is None else f'{end.best_loss:.4f}'}</td></tr>"
            for name, end in ends
        )
        head = "<tr><th>phase</th><th>epochs</th><th>best valid loss</th></tr>"
        title = f"<b>{for_html(str(self.run.recipe))}</b>, seed {self.config.plan.seed}, {for_html(str(self.path))}"
        return f"<p>{title}</p><table>{head}{rows}</table>"


@dataclass(frozen=True)
class Plots:
    """Pictures of a run. A notebook shows what each method returns; `.savefig(path)` writes it."""

    of: Fitted

    def scatter(self, split: str = "valid") -> Figure:
        """Predicted against true sentiment of a split."""
        found = self.of._predicted(split)
        neutral = label_of(self.of.run.data).neutral
        return plot_predictions(None, found.scores, found.labels, found.videos, self._title(split), neutral=neutral)

    def confusion(self, split: str = "valid") -> Figure:
        """The seven classes, predicted against true; a ValueError where the label has none."""
        found = self.of._predicted(split)
        scale = open_records(self.of.run, splits=(split,)).manifest.label
        return plot_confusion(None, found.scores, found.labels, scale, self._title(split))

    def history(self) -> Figure:
        """Train and valid loss by epoch, a panel a phase."""
        run = self.of.run
        rows = [{"phase": phase.name, **row} for phase in run.phases for row in read_outcome(run, phase).history]
        return plot_history(None, rows, loss_names(run.phases, run.config))

    def attention(self, id: str | None = None, split: str = "valid") -> Figure:
        """Where the decoder looked for a segment; the first of the split unless `id` names one.

        Raises:
            ValueError: the run does not translate, or the split has no such segment.
        """
        for item in self.of.translate(split):
            if id in (None, item.id):
                return draw_attention(None, self.of.run, item)
        raise ValueError(
            f"No such segment. Expected the id of one of the {split} split. Received: id={id!r} ({self.of.path}). "
            f"See the column id of predictions({split!r})."
        )

    def _title(self, split: str) -> str:
        return f"{self.of.run.recipe}, {split}"
