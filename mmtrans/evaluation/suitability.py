"""Which records a trained run may be judged on, and which of their segments stay out since it was trained on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmtrans.data.records import Records
from mmtrans.evaluation.results import SHOWN
from mmtrans.recipe import Translation
from mmtrans.runs.environment import label_of, steps_per_word, text_of
from mmtrans.runs.run import Run
from mmtrans.runs.seen import SEEN_SPLITS
from tfrecords.manifest import Manifest, TextColumns
from tfrecords.schema import SPLITS, video_of

#: Whether a modality is aligned → what that means of its steps.
STEPS = {True: "one step a word", False: "steps at their own rate"}

#: So much faster or slower people may speak, with the same frames a second.
RATE_FACTOR = 1.5


@dataclass(frozen=True)
class Unseen:
    """A split of some records without the segments that runs were trained on.

    Attributes:
        records: the view to read the split from.
        left_out: number of the segments asked for that stay out; `None` where nobody knows which would have to.
        notes: sentences for the user: whose records these are, what stays out, what else differs.
        seen_videos: videos of the segments that the runs were trained on, if these are not the runs' own records.
    """

    records: Records
    left_out: int | None
    notes: tuple[str, ...]
    seen_videos: frozenset[str] = frozenset()


def open_records(run: Run, data: str | Path | None = None, splits: Sequence[str] = SPLITS) -> Records:
    """Opens the records that a run was trained on, or others that are named.

    Raises:
        FileNotFoundError: there are no such records.
        ValueError: other records lie in the place of the run's own by now, or `Records.open` refuses them.
    """
    if data is not None:
        return Records.open(data, splits)
    if not run.records_path.is_dir():
        raise FileNotFoundError(
            f"The run's records are gone. Expected them where they were in training. "
            f"Received: records={run.records_path} ({run.path}). Say where they are with --data RECORDS."
        )
    # The manifest alone first: shards of other records may be another matter.
    found = Manifest.load(run.records_path).manifest_hash
    if found != run.manifest_hash:
        raise ValueError(
            f"The run's records are others by now. Expected manifest {run.manifest_hash[:SHOWN]}, as in training. "
            f"Received: {found[:SHOWN]} ({run.records_path}; {run.path}). Say where the run's own are with --data "
            f"RECORDS, or name these so: what the run was trained on is then left out, and the results stand apart."
        )
    return Records.open(run.records_path, splits)


def is_own(run: Run, records: Records) -> bool:
    """Whether a run was trained on these records, wherever they lie."""
    return records.manifest.manifest_hash == run.manifest_hash


def check_features(run: Run, records: Records, *, has_target: bool = True) -> None:
    """Raises a ValueError where records hold other features than the run's: their columns, names or steps.

    Args:
        run: the run.
        records: the records to read. A modality of the target may be absent: the run predicts without it.
        has_target: whether the target is read, beside the source.
    """
    trained, names = run.data["modalities"], list(run.recipe.inputs.modalities)
    if has_target and isinstance(run.recipe, Translation):
        names += [name for name in run.recipe.target.modalities if name not in names and records.has(name)]
    for name in names:
        mean = run.statistics.mean[name]
        if records.dim(name) != len(mean):
            raise ValueError(
                f"The records do not fit the run. Expected {len(mean)} columns of {name}. "
                f"Received: dim={records.dim(name)} ({records.directory}). Convert the corpus with the same features."
            )
        info, expected = records.info(name), trained[name]
        if info.aligned != expected["aligned"]:
            raise ValueError(
                f"The records have other steps than the run's. Expected {name} with {STEPS[expected['aligned']]}. "
                f"Received: {STEPS[info.aligned]} ({records.directory}). Convert a source like that of the run."
            )
        check_names(name, expected.get("feature_names"), info.feature_names, str(records.directory))
    if "text" in names:
        check_text(text_of(run.data), records.manifest.text, str(records.directory))
    _check_rates(run, records, names)


def misfit_of_target(run: Run, records: Records) -> str | None:
    """Why the target of records whose source fits a run does not, a sentence; `None` where it does, or is absent."""
    try:
        check_features(run, records)
    except ValueError as error:
        return str(error)
    return None


def _check_rates(run: Run, records: Records, names: Sequence[str]) -> None:
    found, trained = steps_per_word(records.manifest), run.data.get("steps_per_word", {})
    for name in other_rates(found, {name: trained[name] for name in names if name in trained}):
        raise ValueError(
            f"The records have another rate of steps than the run's. Expected about {trained[name]:.3g} steps of "
            f"{name} a word. Received: {found[name]:.3g} ({records.directory}). Convert features of the same frame "
            f"rate."
        )


def other_rates(found: Mapping[str, float], trained: Mapping[str, float]) -> list[str]:
    """Modalities whose steps a word, where both sides know them, differ by more than people's speech does."""
    rates = {name: (found[name], trained[name]) for name in trained if name in found and trained[name]}
    return [name for name, (rate, own) in rates.items() if not 1 / RATE_FACTOR <= rate / own <= RATE_FACTOR]


def check_text(expected: TextColumns | None, found: TextColumns | None, place: str) -> None:
    """Raises a ValueError where another encoder, other layers of it or another file gave the words their vectors."""
    if _tells_text(expected) == _tells_text(found):
        return
    expected_text, found_text = map(describe_text, (expected, found))
    raise ValueError(
        f"The words have other vectors than in training. Expected {expected_text}. Received: {found_text} ({place}). "
        f"Give the same encoder and the same file of vectors."
    )


def describe_text(text: TextColumns | None) -> str:
    """What gives words their vectors, for people."""
    if text is None:
        return "vectors of no encoder"
    parts = [f"the encoder {text.encoder} (sha256 {text.sha256[:SHOWN]})"]
    parts += [f"its layers {', '.join(map(str, text.layers))}"] if text.layers else []
    parts += [f"{text.pieces} columns of pieces"] if text.pieces else []
    parts += [f"GloVe's {text.glove} columns (sha256 {(text.glove_sha256 or '')[:SHOWN]})"] if text.glove else []
    return ", ".join(parts)


def _tells_text(text: TextColumns | None) -> TextColumns | None:
    """The same wherever the encoder lies, and whatever it is called."""
    return text and replace(text, encoder="")


def check_names(modality: str, expected: Sequence[str] | None, found: Sequence[str] | None, place: str) -> None:
    """Raises a ValueError where both sides name their columns, and not alike."""
    if expected is None or found is None or list(expected) == list(found):
        return
    column, pair = next((i, pair) for i, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1])
    raise ValueError(
        f"The features are others than the run's. Expected column {column} of {modality} to be {pair[0]!r}. "
        f"Received: {pair[1]!r} ({place}). Give the same columns in the same order."
    )


def check_label(run: Run, records: Records) -> None:
    """Raises a ValueError where the label has another scale than the run's, or there are none for the baselines."""
    if not records.count("train", labelled=True):
        raise ValueError(
            f"The records have no labelled train split. Expected one, as the baselines are made from its labels. "
            f"Received: train=none ({records.directory}). Choose folds with --folds, or use `mmtrans predict`."
        )
    label, expected = records.manifest.label, label_of(run.data)
    if (expected.low, expected.high, expected.neutral) != (label.low, label.high, label.neutral):
        raise ValueError(
            f"The label has another scale than the run's. Expected [{expected.low:g}, {expected.high:g}], "
            f"neutral {expected.neutral:g}. Received: [{label.low:g}, {label.high:g}], neutral {label.neutral:g} "
            f"({records.directory}). Convert the corpus with the run's label and scale."
        )


def unseen(runs: Sequence[Run], records: Records, split: str, labelled: bool = True) -> Unseen:
    """Leaves out of a split what runs were trained on.

    Of the runs' own records train and valid stay as they are: what they are is known to all. Their test split loses
    what the translations that a run started from were trained on.

    Args:
        runs: runs that were trained on the same records; only segments with the sources of all of them count.
        records: records that fit the runs.
        split: the split to read.
        labelled: whether only segments with a label count.

    Raises:
        ValueError: nothing remains.
    """
    own = is_own(runs[0], records)
    if own and (split in SEEN_SPLITS or not any(run.init_hash for run in runs)):
        return Unseen(records, 0, ())
    notes = [] if own else list(_differences(runs[0], records))
    trained = [run.init for run in runs if run.init] if own else runs
    seen = [run.seen for run in trained]
    known = [ids for ids in seen if ids is not None]
    if len(known) < len(seen):
        unknown = (
            "It is not known which segments the run was trained on (it does not say, and its records are gone or "
            "changed): some may be among these."
        )
        return Unseen(records, None, (*notes, unknown))
    ids = frozenset().union(*known)
    modalities = dict.fromkeys(name for run in runs for name in run.recipe.inputs.modalities)
    view = records.without(ids, split)
    before, remaining = (each.count(split, tuple(modalities), labelled) for each in (records, view))
    if before and not remaining:
        raise ValueError(
            f"The run was trained on all of these segments. Expected some that it has not seen. "
            f"Received: {before} of {before} segments seen, split={split} ({records.directory}). "
            f"Choose another split, or other records."
        )
    if before > remaining:
        notes.append(f"Left out, as the run was trained on them: {before - remaining} of {before} segments.")
    videos = frozenset() if own else frozenset(video_of(id_) for id_ in ids)
    return Unseen(view, before - remaining, tuple(notes), videos)


def _differences(run: Run, records: Records) -> Iterator[str]:
    """Sentences on how records differ from a run's own, without being refused."""
    found = records.manifest
    yield (
        f"Other records than those that the run was trained on: manifest {found.manifest_hash[:SHOWN]}, "
        f"not {run.manifest_hash[:SHOWN]}."
    )
    if found.label.name != (name := label_of(run.data).name):
        yield f"The label is called {found.label.name} here, and {name} where the run was trained."
    for stream in sorted(set(found.max_steps) | set(run.data["max_steps"])):
        limits = [limits.get(stream, "all") for limits in (found.max_steps, run.data["max_steps"])]
        if limits[0] != limits[1]:
            yield f"Steps that conversion kept ({stream}): {limits[0]} here, {limits[1]} where the run was trained."
