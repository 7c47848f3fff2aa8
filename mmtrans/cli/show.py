"""Tables for people: what records hold, how a run did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from mmtrans.conversion.inspect import Description, SplitDescription
from mmtrans.evaluation.metrics import FIELD_METRICS, METRICS
from mmtrans.evaluation.shapes import EnsembleResult, PretrainedResult, RobustnessResult, Scored, SentimentResult
from mmtrans.system.console import Console
from tfrecords.manifest import DroppedSegment, TextFields


def console() -> Console:
    """A console on stdout; where that is no terminal, wide enough that no cell is cut."""
    found = Console()
    return found if found.is_terminal else Console(width=120)


def format_number(value: float | None, digits: int = 3) -> str:
    """A number for a table; undefined is a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def heading_of(name: str) -> str:
    """Heading of a metric; more is better where no arrow says otherwise."""
    metric = METRICS[name]
    return metric.heading_with_arrow if metric.better == "min" else metric.heading


def show_metrics(result: SentimentResult | EnsembleResult | PretrainedResult, title: str) -> None:
    """Prints one split's metrics, intervals and trivial baselines; then its translation quality and notes.

    Of a pre-trained run there is but the translation quality.
    """
    out = console()
    if "baselines" in result:
        _show_sentiment(out, result, title)
    else:
        out.print(title, soft_wrap=True)
    if quality := result.get("translation"):
        names = ("r2", "source_shuffled_r2", "teacher_forced_r2", "copy_last_r2")
        own, shuffled, forced, copied = (format_number(quality[name]) for name in names)
        out.print(
            f"Translation, free-running: R² {own} (sources shuffled {shuffled}, teacher-forced {forced}, "
            f"copying the last frame {copied})"
        )
        if "elbo" in quality:
            elbo, likelihood, kl = (format_number(quality.get(name), 2) for name in ("elbo", "reconstruction", "kl"))
            out.print(f"Evidence lower bound: {elbo} nats a segment (log-likelihood {likelihood}, divergence {kl})")
    if "segments" in result:
        out.print(f"{result['segments']} segments of {result['videos']} videos.")
    for note in result.get("notes", ()):
        out.print(f"Note: {note}")


def _show_sentiment(out: Console, result: Scored, title: str) -> None:
    table = Table(title=title, title_justify="left")
    for heading in ("", "model", "95 % interval", *result["baselines"]):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    for name in FIELD_METRICS:
        low, high = result[f"{name}_low"], result[f"{name}_high"]
        interval = "-" if low is None else f"{low:.3f} to {high:.3f}"
        baselines = [format_number(result["baselines"][baseline][name]) for baseline in result["baselines"]]
        table.add_row(heading_of(name), format_number(result[name]), interval, *baselines)
    out.print(table)


def show_members(result: EnsembleResult) -> None:
    """Prints the metrics of an ensemble beside those of its members and their mean."""
    table = Table(title="Members", title_justify="left")
    table.add_column("")
    for name in FIELD_METRICS:
        table.add_column(heading_of(name), justify="right", no_wrap=True)
    rows = [(f"{member['recipe']}, seed {member['seed']}", member) for member in result["members"]]
    for name, metrics in [*rows, ("mean of members", result["members_mean"]), ("ensemble", result)]:
        table.add_row(name, *(format_number(metrics[metric]) for metric in FIELD_METRICS))
    console().print(table)


def show_robustness(robustness: RobustnessResult) -> None:
    """Prints what the error is without corruption, at the highest level, and on average over the levels."""
    table = Table(title="One modality corrupted at a time", title_justify="left")
    for heading in ("corruption", "modality"):
        table.add_column(heading)
    for heading in ("up to", "MAE clean", "MAE mean", "MAE at most", "Acc-2 (≥0) mean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for kind, curves in robustness["curves"].items():
        for modality, curve in curves.items():
            mae, area = curve["metrics"]["mae"], curve["area"]
            figures = map(format_number, (mae[0], area["mae"], mae[-1], area["acc2_has0"]))
            table.add_row(
                kind, modality if curve["read"] else f"{modality} (not read)", f"{curve['levels'][-1]:g}", *figures
            )
    console().print(table)


def _lengths(split: SplitDescription) -> list[str]:
    """Mean, 95th percentile and maximum of the longest stream's steps."""
    lengths = split.get("lengths") or {}
    longest = max(lengths.values(), key=lambda figures: figures["max"], default=None)
    if longest is None:
        return ["-"] * 3
    return [format_number(longest["mean"], 1), format_number(longest["p95"], 0), str(longest["max"])]


def _add_labels(table: Table, splits: Mapping[str, SplitDescription]) -> None:
    classes = list(dict.fromkeys(label for split in splits.values() for label in split["labels"]))
    for heading in ("split", *classes):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for name, split in splits.items():
        table.add_row(name, *(str(split["labels"].get(c, "-")) for c in classes))


def _add_modalities(table: Table, description: Description) -> None:
    splits = description["splits"]
    for heading in ("modality", "columns", *splits, "rows", "all zero", "cleaned"):
        table.add_column(heading, justify="left" if heading == "modality" else "right")
    for name, info in description["modalities"].items():
        held = [split["modalities"].get(name, 0) for split in splits.values()]
        shares = [info.get("zero_rows"), info.get("cleaned_rows")]
        shares = ["-" if share is None else f"{share:.1%}" for share in shares]
        table.add_row(name, *map(str, (info["dim"], *held, info.get("rows") or "-", *shares)))


def _columns_of_text(text: TextFields) -> str:
    layers = ", ".join(map(str, text["layers"]))
    parts = [f"{text['pieces']} columns of pieces"] if text["pieces"] else []
    parts += [f"layers {layers} of {text['width']} columns each, {text['pooling']}"] if layers else []
    parts += [f"GloVe {text['glove']}"] if text["glove"] else []
    return f"{'; '.join(parts)}; encoder {text['encoder']} ({text['sha256'][:12]}…)"


def show_records(description: Description, dropped: Sequence[DroppedSegment]) -> None:
    """Prints what records hold: splits, modalities, what was cleaned and what was left out, with reasons."""
    out = console()
    label = description["label"]
    splits = Table(title=f"{description['source']} records, folds: {description['folds']}", title_justify="left")
    for heading in ("split", "segments", "videos", "labelled", "steps: mean", "p95", "max"):
        splits.add_column(heading, justify="left" if heading == "split" else "right")
    for name, split in description["splits"].items():
        counts = [split["segments"], split["videos"], split["labelled"], *_lengths(split)]
        splits.add_row(name, *map(str, counts))
    out.print(splits)
    if description["modalities"]:
        table = Table(title="Segments that have each modality, and shares of its rows", title_justify="left")
        _add_modalities(table, description)
        out.print(table)
    dims = ", ".join(
        f"{name} {info['dim']}{'' if info['aligned'] else ' (own steps)'}"
        f"{' in float16' if info.get('dtype') == 'float16' else ''}"
        for name, info in description["modalities"].items()
    )
    dims = dims or "none, so no recipe can read them"
    out.print(f"Modalities: {dims}. Label: {label['name']} in [{label['low']:g}, {label['high']:g}].")
    if description["text"] is not None:
        out.print(f"Text: {_columns_of_text(description['text'])}.")
    if any(split.get("labels") for split in description["splits"].values()):
        histogram = Table(title="Labels by rounded class", title_justify="left")
        _add_labels(histogram, description["splits"])
        out.print(histogram)
    for what, count in description["cleaning"].items():
        out.print(f"Cleaned: {what}: {count}")
    for stream, count in description["truncated"].items():
        out.print(f"Truncated to {description['max_steps'].get(stream)} steps ({stream}): segments: {count}")
    for item in dropped[:10]:
        out.print(f"Dropped: {item.id}: {item.reason}")
    if len(dropped) > 10:
        out.print(f"… and {len(dropped) - 10} more dropped segments, listed in manifest.json.")
    for note in description["notes"]:
        out.print(f"Note: {note}")
