"""Small segments and corpora for the tests of records."""

from pathlib import Path

import numpy as np

from mmtrans.sources.corpus import Corpus
from tfrecords.schema import LabelScale, Segment

DIMS = {"text": 3, "audio": 2}


def make_segment(index, steps, *, video="v", modalities=("text", "audio"), label=0.5, split=None, seed=0):
    rng = np.random.default_rng([seed, index, steps])
    features = {m: rng.normal(size=(steps, DIMS[m])).astype(np.float32) for m in modalities}
    tokens = tuple(f"wörd{i}" for i in range(steps))
    return Segment(f"{video}[{index}]", video, features, label=label, tokens=tokens, split=split)


def make_segments(number, *, videos=4, longest=14, **options):
    """`number` segments of 1 to `longest` steps in turns of their videos, with differing labels."""
    return [
        make_segment(i // videos, 1 + (5 * i) % longest, video=f"v{i % videos}", label=(i % 13) / 2 - 3, **options)
        for i in range(number)
    ]


def make_corpus(segments, *, folds=None, files=(), read=None, **options):
    videos = sorted({segment.video_id for segment in segments})
    if folds is None:
        folds = {"train": videos[:-2], "valid": videos[-2:-1], "test": videos[-1:]}
    return Corpus(
        format="csd",
        files=[Path(f) for f in files],
        label=LabelScale("sentiment", -3.0, 3.0, 0.0),
        read=read or (lambda: iter(segments)),
        video_ids=videos,
        folds=folds,
        **options,
    )


def assert_equal_segments(actual, expected):
    assert (actual.id, actual.video_id, actual.tokens) == (expected.id, expected.video_id, expected.tokens)
    assert actual.label == (None if expected.label is None else np.float32(expected.label))
    assert list(actual.features) == [m for m in ("text", "audio", "video") if m in expected.features]
    for name, array in expected.features.items():
        assert actual.features[name].dtype == np.float32
        np.testing.assert_array_equal(actual.features[name], array)
