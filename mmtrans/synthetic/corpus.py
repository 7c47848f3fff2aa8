"""The synthetic corpus: a folder in MOSI's own .csd format with planted, known ceilings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mmtrans.bounds import check_number
from mmtrans.synthetic import ceilings as ceilings
from mmtrans.synthetic import world as equations
from mmtrans.synthetic.channels import affect_channel, draw_channels
from mmtrans.synthetic.csd_files import Rows, segment_entries, write_csd
from mmtrans.synthetic.dependencies import draw_dependency
from mmtrans.synthetic.dependency_truth import dependency_truth
from mmtrans.synthetic.ground_truth import ground_truth
from mmtrans.synthetic.posterior import posterior_of, scores
from mmtrans.synthetic.premise import Premise, plant
from mmtrans.synthetic.timeline import Timeline, timelines_of
from mmtrans.synthetic.truth import DependencyTruth, GroundTruth
from mmtrans.synthetic.world import AUDIO, Stream, Text, World
from tfrecords.directories import new_directory
from tfrecords.schema import SPLITS

ID_LETTERS = list("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789--__")
#: Frames keep nine bits of mantissa, far under their noise: compressed, they take half the place.
KEPT_BITS = np.uint32(0xFFFFC000)
NAN_FRAMES, INF_FRAMES = 0.002, 0.005
#: Of so many draws of noise the one is kept whose scores, fold by fold, lie closest to the expected ones.
CANDIDATES = 64

MOST_VIDEOS = 100_000

Candidate = TypeVar("Candidate")


def synthesize(
    directory: str | Path, *, videos: int = 40, seed: int = 0, unlabelled: bool = False, **premise: Any
) -> GroundTruth | DependencyTruth:
    """Write a corpus of three modalities in MOSI's .csd format, with `folds.json` and `ground_truth.json`.

    The same arguments give the same files. The folder appears only when it is complete.

    Args:
        directory: the folder to write to; it must not exist, or be empty.
        videos: number of videos, at least 3, about 22 segments each; 26/6/8 of 40 are train/valid/test.
        seed: seed of everything that is drawn, 0 or more.
        unlabelled: other videos of the same vocabulary and loadings as without, none with a label, to pre-train on.
        premise: fields of `Premise`, what the world is like: `affect={"audio": 0.3}`,
            `affect_channels={"audio": 4}`, `disagree=0.2`, `labelled=0.05`, `missing={"audio": 0.5}`; or
            `dependency="sarcasm"`.

    Returns:
        What `ground_truth.json` holds: the best scores that the generating equations allow, expected and realised.

    Raises:
        ValueError: too few or too many videos, a seed out of range, a premise that cannot be, or a directory that holds
            something.

    Example:
        ```pycon
        >>> truth = api.synthesize("small", videos=3)
        >>> api.open_corpus("small").format
        'csd'
        ```
    """
    directory = Path(directory).resolve()
    chosen = Premise(**premise)
    _check_arguments(videos, seed, unlabelled, chosen)
    _check_place(directory)
    world = equations.draw_world(np.random.default_rng([seed, 0]), chosen.polarity)
    part = 2 if unlabelled else 1
    rng = np.random.default_rng([seed, part])
    ids = _video_ids(rng, videos)
    fold = rng.permutation(np.repeat(np.arange(len(SPLITS)), _fold_sizes(videos)))
    segments_per_video = rng.integers(20, 26, size=videos)
    kind = chosen.dependency
    drawn = None if kind is None else draw_dependency(rng, kind, world, segments_per_video)
    text = drawn.text if drawn else _draw_text(rng, world, segments_per_video, fold, chosen.disagree)
    tenths = rng.choice(equations.WORD_TENTHS, size=len(text.word), p=equations.WORD_TENTHS_WEIGHTS)
    channels = {
        stream.name: drawn.channels(rng, world, stream)
        if drawn
        else _draw_stream(rng, world, text, stream, tenths, fold)
        for stream in chosen.streams
    }
    timelines = list(timelines_of(rng, text, tenths))
    planted = plant(np.random.default_rng([seed, part, 1]), chosen, fold[text.video])
    if unlabelled:
        planted = replace(planted, labelled=np.zeros(len(text.label), dtype=bool))

    with new_directory(directory, _check_place) as partial:
        told = replace(text, label=np.where(planted.labelled, text.label, np.nan))
        # Words without frames are read as zeros, but a segment without an entry lacks the stream.
        _write_text(partial, world, told, ids, timelines, by_segment=chosen.has_missing)
        means = {}
        for stream in chosen.streams:
            present = [planted.present[stream.name][text.video == video] for video in range(videos)]
            recordings = zip(ids, timelines, present if chosen.has_missing else [None] * videos, strict=True)
            means[stream.name] = _write_stream(rng, partial, world, stream, channels[stream.name], recordings)
        truth = (
            ground_truth(chosen, world, text, tenths, fold, means, planted)
            if kind is None or drawn is None
            else dependency_truth(kind, chosen.streams, world, drawn, tenths, fold, means)
        )
        folds = {split: sorted(np.array(ids)[fold == index].tolist()) for index, split in enumerate(SPLITS)}
        (partial / "folds.json").write_text(json.dumps(folds, indent=1) + "\n", encoding="utf-8")
        (partial / "ground_truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def _draw_text(
    rng: np.random.Generator, world: World, segments_per_video: np.ndarray, fold: np.ndarray, disagree: float
) -> Text:
    return _closest(
        lambda attempt: equations.draw_text(attempt, world, segments_per_video, fold, disagree),
        lambda text: _text_deviation(text, fold),
        rng,
    )


def _check_arguments(videos: int, seed: int, unlabelled: bool, premise: Premise) -> None:
    check_number("--videos", videos, low=len(SPLITS), most=MOST_VIDEOS)
    check_number("--seed", seed, low=0)
    if unlabelled and premise.dependency is not None:
        raise ValueError(
            f"A planted dependency is one of labels. Expected --dependency without --unlabelled. "
            f"Received: unlabelled=True, dependency={premise.dependency!r}. Leave one out."
        )
    if unlabelled and premise.labelled < 1:
        raise ValueError(
            f"A corpus without labels has no share that bears one. Expected --unlabelled or --labelled. "
            f"Received: unlabelled=True, labelled={premise.labelled}. Leave one out."
        )


def _check_place(directory: Path) -> None:
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise ValueError(
            f"The corpus needs a place of its own. Expected a directory that is new or empty. "
            f"Received: directory={directory}. Choose another, or remove it first."
        )


def _fold_sizes(videos: int) -> tuple[int, int, int]:
    valid, test = max(1, round(0.15 * videos)), max(1, round(0.2 * videos))
    return videos - valid - test, valid, test


def _video_ids(rng: np.random.Generator, count: int) -> list[str]:
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids["".join(rng.choice(ID_LETTERS, size=11))] = None
    return list(ids)


def _closest(
    draw: Callable[[np.random.Generator], Candidate],
    deviation: Callable[[Candidate], float],
    rng: np.random.Generator,
) -> Candidate:
    """Draw `CANDIDATES` times and keep what deviates least, so that no seed gives a freak fold."""
    return min((draw(attempt) for attempt in rng.spawn(CANDIDATES)), key=deviation)


def _text_deviation(text: Text, fold: np.ndarray) -> float:
    expected = ceilings.expected_scores((), True, text.disagree)
    deviations = []
    for split in range(len(SPLITS)):
        chosen = fold[text.video] == split
        label = text.label[chosen]
        realised = ceilings.text_scores(text, chosen)
        deviations += [realised[name] - expected[name] for name in ("acc2_non0", "acc2_has0")]
        # A third: folds may lean a little, but must not be won by naming the commoner class.
        deviations += [((label > 0).mean() - (label < 0).mean()) / 3.0, ((label >= 0).mean() - 0.53) / 3.0]
    return float(np.abs(deviations).max())


def _draw_stream(
    rng: np.random.Generator, world: World, text: Text, stream: Stream, tenths: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """`(steps, 8)` channels of a stream."""
    expected = ceilings.expected_scores((stream,), False, text.disagree)
    weights = ceilings.gls_weights(stream, tenths * stream.frames_per_tenth, text.num_words)
    segment_fold = fold[text.video]

    def deviation(channels: np.ndarray) -> float:
        evidence = ceilings.evidence_of(stream, affect_channel(stream, channels), weights, text.num_words)
        posterior = posterior_of(None, [evidence], text.num_words, text.disagree)
        deviations = []
        for split in range(len(SPLITS)):
            chosen = segment_fold == split
            realised = scores(posterior.of(chosen), text.label[chosen])
            deviations += [realised[name] - expected[name] for name in ("acc2_non0", "acc2_has0")]
        return float(np.abs(deviations).max())

    return _closest(lambda attempt: draw_channels(attempt, world, text, stream), deviation, rng)


def _write_text(
    directory: Path, world: World, text: Text, ids: list[str], timelines: list[Timeline], by_segment: bool
) -> None:
    """Write words, vectors (zero in pauses) and labels, with an entry for each segment or for each video."""
    spoken = np.array([word.encode() for word in world.words])
    words, vectors, labels = {}, {}, {}
    for video, (video_id, timeline) in enumerate(zip(ids, timelines, strict=True)):
        is_word = timeline.step >= 0
        word = text.word[timeline.step]
        tokens = np.where(is_word, spoken[word], b"sp")
        label = text.label[text.video == video].astype(np.float32)[:, None]
        rows = (tokens.astype(f"S{max(map(len, tokens))}")[:, None], timeline.intervals)
        vector_rows = (world.vectors[word] * is_word[:, None].astype(np.float32), timeline.intervals)
        for entries, of_video in ((words, rows), (vectors, vector_rows), (labels, (label, timeline.segments))):
            parts = segment_entries(video_id, of_video, timeline.segments) if by_segment else [(video_id, of_video)]
            entries.update(parts)
    for kind, entries in (("words", words), ("vectors", vectors), ("labels", labels)):
        write_csd(directory, kind, entries.items())


def _write_stream(
    rng: np.random.Generator,
    directory: Path,
    world: World,
    stream: Stream,
    channels: np.ndarray,
    recordings: Iterator[tuple[str, Timeline, np.ndarray | None]],
) -> np.ndarray:
    """Write the frames of a stream; return the means of the finite frames of each word, `(steps, dim)` float64.

    Args:
        rng: what to draw with.
        directory: the corpus.
        world: what all segments share.
        stream: audio or video.
        channels: `(steps, 8)`.
        recordings: id, timeline, and `(segments,)` bool, those that have the stream and so get an entry each; or `None`
            where the video gets one.
    """
    means = np.zeros((len(channels), stream.dim))

    def entries() -> Iterator[tuple[str, Rows]]:
        for video_id, timeline, present in recordings:
            counts = timeline.tenths * stream.frames_per_tenth
            frames = _frames(rng, world, stream, channels, timeline)
            finite = np.all(np.isfinite(frames), axis=1)
            starts = np.cumsum(counts) - counts
            sums = np.add.reduceat(np.where(finite[:, None], frames, 0.0).astype(np.float64), starts)
            row_means = sums / np.maximum(np.add.reduceat(finite.astype(int), starts), 1)[:, None]
            means[timeline.step[timeline.step >= 0]] = row_means[timeline.step >= 0]
            index = np.arange(len(frames))
            rows = (frames, np.stack([index, index + 1], axis=1) / (10.0 * stream.frames_per_tenth))
            if present is None:
                yield video_id, rows
            else:
                yield from segment_entries(video_id, rows, timeline.segments, present)

    write_csd(directory, stream.name, entries())
    return means


def _frames(
    rng: np.random.Generator, world: World, stream: Stream, channels: np.ndarray, timeline: Timeline
) -> np.ndarray:
    """`(frames, dim)` float32: the value of the row + white noise; in audio some frames are not finite."""
    values = channels[timeline.step]
    pauses = np.flatnonzero(timeline.step < 0)
    # A pause decays from the word before it: no frame is flat, and none belongs to a word.
    values[pauses] = 0.5 * values[np.maximum(pauses - 1, 0)]
    columns = (values @ world.mixing[stream.name].T + world.offset[stream.name]).astype(np.float32)
    frames = np.repeat(columns, timeline.tenths * stream.frames_per_tenth, axis=0)
    frames += np.float32(equations.FRAME_NOISE_STD) * rng.standard_normal(frames.shape, dtype=np.float32)
    frames *= world.scale[stream.name].astype(np.float32)
    frames = (frames.view(np.uint32) & KEPT_BITS).view(np.float32)
    if stream.name == AUDIO.name:
        frames[rng.random(len(frames)) < NAN_FRAMES] = np.nan
        rows = np.flatnonzero(rng.random(len(frames)) < INF_FRAMES)
        frames[rows[:, None], rng.integers(stream.dim, size=(len(rows), 3))] = -np.inf
    return frames
