"""Padded arrays to segments: alignment, sides, masks, lengths, duplicates, and names of segments."""

import numpy as np
import pytest

from mmtrans.sources.padded.arrays import open_padded
from mmtrans.sources.padded.folds import Fold
from tfrecords.manifest import DroppedSegment
from tfrecords.schema import LabelScale


def _ones(*lengths, steps=5, dim=2, side="left", value=1.0):
    array = np.zeros((len(lengths), steps, dim), np.float32)
    for row, length in enumerate(lengths):
        start = steps - length if side == "left" else 0
        array[row, start : start + length] = value + np.arange(length * dim).reshape(length, dim)
    return array


def _open(*folds, tmp_path, **options):
    return open_padded("mult", [tmp_path / "file.pkl"], folds, **options)


def _ids(count, video="v"):
    return [f"{video}[{k}]" for k in range(count)]


def test_aligned_modalities_share_the_union_of_their_steps(tmp_path):
    text, audio = _ones(3, 2, 4), _ones(3, 4, 4)
    text[0, 2] = 0  # the first word has no vector
    corpus = _open(Fold("train", {"text": text, "audio": audio}, ids=_ids(3)), tmp_path=tmp_path)
    assert corpus.aligned == {"text": True, "audio": True}
    segments = list(corpus.read())
    for segment, length, row in zip(segments, (3, 4, 4), range(3), strict=True):
        np.testing.assert_array_equal(segment.features["text"], text[row, 5 - length :])
        np.testing.assert_array_equal(segment.features["audio"], audio[row, 5 - length :])
    assert corpus.notes == []


def test_sides_that_differ_are_laid_together(tmp_path):
    arrays = {"text": _ones(3, 2), "audio": _ones(3, 4, side="right"), "video": _ones(3, 0, side="right")}
    corpus = _open(Fold("test", arrays, ids=_ids(2)), tmp_path=tmp_path)
    sides = "(text left, audio right, video right)"
    assert corpus.notes == [f"test: the padding is on different sides {sides}; the real ends are laid together."]
    first, second = corpus.read()
    for array in first.features.values():
        np.testing.assert_array_equal(array, _ones(3, steps=3)[0])
    np.testing.assert_array_equal(second.features["text"], _ones(2, steps=4)[0])
    assert set(second.features) == {"text", "audio"}
    assert corpus.cleaning == {"video: segments where it is all zero, taken as without it": 1}


def test_an_array_without_a_side_follows_the_others(tmp_path):
    audio = _ones(2, 2)
    audio[0], audio[1] = np.roll(audio[0], -1, axis=0), np.roll(audio[1], -2, axis=0)  # one is longer at each end
    text = _ones(3, 3)
    corpus = _open(Fold("train", {"text": text, "audio": audio}, ids=_ids(2)), tmp_path=tmp_path)
    assert [len(segment.features["audio"]) for segment in corpus.read()] == [3, 4]


def test_unaligned_modalities_have_their_own_steps_and_stored_lengths_are_checked(tmp_path):
    arrays = {"text": _ones(3, 2, side="right"), "audio": _ones(6, 2, steps=9), "video": _ones(1, 5)}
    fold = Fold(
        "train",
        arrays,
        ids=_ids(2),
        lengths={"audio": np.array([6, 1]), "video": np.array([1, 5])},
        transcripts=[("a",), ("b", "c")],
    )
    corpus = _open(fold, tmp_path=tmp_path)
    # The video has as many steps as the text has, by chance.
    assert corpus.aligned == {"text": True, "audio": False, "video": False}
    assert corpus.notes == [
        "train: 1 of 2 stored lengths of audio differ from the real ones (its padding: left), which are used."
    ]
    first, second = corpus.read()
    assert {name: len(array) for name, array in first.features.items()} == {"text": 3, "audio": 6, "video": 1}
    assert {name: len(array) for name, array in second.features.items()} == {"text": 2, "audio": 2, "video": 5}
    assert first.tokens == ()  # the words are not the steps


def test_masks_end_a_text_that_has_values_in_its_padding(tmp_path):
    text = np.ones((2, 4, 3), np.float32)
    masks = {"text": np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)}
    fold = Fold("train", {"text": text, "audio": _ones(2, 4, steps=4, side="right")}, ids=_ids(2), masks=masks)
    assert [len(segment.features["text"]) for segment in _open(fold, tmp_path=tmp_path).read()] == [2, 4]
    # Audio beyond the mask: its steps are kept, and the text's there are zeros.
    fold = Fold("train", {"text": text, "audio": _ones(3, 4, steps=4, side="right")}, ids=_ids(2), masks=masks)
    first, _ = _open(fold, tmp_path=tmp_path).read()
    assert first.features["text"][:, 0].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("steps", "aligned"),
    [
        ({"text": 5, "audio": 5, "video": 6}, {"text": True, "audio": True, "video": False}),
        ({"audio": 5, "video": 5}, {"audio": True, "video": True}),
        ({"audio": 5, "video": 6}, {"audio": False, "video": False}),
        ({"text": 5, "audio": 1}, {"text": True, "audio": False}),
        ({"text": 1, "audio": 1}, {"text": True, "audio": True}),
    ],
)
def test_what_is_aligned(tmp_path, steps, aligned):
    arrays = {name: _ones(1, steps=count) for name, count in steps.items()}
    assert _open(Fold("train", arrays, ids=_ids(1)), tmp_path=tmp_path).aligned == aligned


def test_word_pieces_alone_are_not_aligned_and_let_the_words_through(tmp_path):
    arrays, masks = {"text": _ones(2), "audio": _ones(3, steps=8)}, {"text": np.ones((1, 5), bool)}
    corpus = _open(Fold("train", arrays, ids=_ids(1), masks=masks, transcripts=[("a", "b")]), tmp_path=tmp_path)
    assert corpus.aligned == {"text": False, "audio": False}
    assert next(corpus.read()).tokens == ("a", "b")


def test_duplicates_and_empty_segments_are_dropped_and_counted_anew(tmp_path):
    arrays = {"text": _ones(2, 3, 0, 1), "audio": _ones(2, 3, 0, 1, value=np.nan)}
    corpus = _open(Fold("train", arrays, ids=["v[0]", "w[1]", "w[0]", "v[0]"]), tmp_path=tmp_path)
    for _ in range(2):
        assert [segment.id for segment in corpus.read()] == ["v[0]", "w[1]"]
        assert corpus.dropped == [
            DroppedSegment("v[0]", "duplicate id, the first is kept"),
            DroppedSegment("w[0]", "every modality is zero throughout"),
        ]
        assert corpus.cleaning["audio: frames with NaN"] == 5
        # Nothing but NaN is nothing.
        assert corpus.cleaning["audio: segments where it is all zero, taken as without it"] == 3


def test_a_modality_that_a_split_lacks(tmp_path):
    corpus = _open(
        Fold("train", {"text": _ones(2), "video": _ones(2)}, ids=["a[0]"]),
        Fold("test", {"text": _ones(2)}, ids=["b[0]"]),
        tmp_path=tmp_path,
    )
    assert [set(segment.features) for segment in corpus.read()] == [{"text", "video"}, {"text"}]
    assert corpus.cleaning == {"video: segments without it": 1}
    assert corpus.folds == {"train": ["a"], "test": ["b"]}
    assert [segment.label for segment in corpus.read()] == [None, None]
    assert corpus.label == LabelScale("sentiment", -3.0, 3.0, 0.0)


def test_doubles_beyond_float32_are_infinite(tmp_path):
    array = _ones(2).astype(np.float64)
    array[0, -1, 0] = 1e300
    corpus = _open(Fold("train", {"audio": array}, ids=_ids(1)), tmp_path=tmp_path)
    (segment,) = corpus.read()
    assert segment.features["audio"][-1, 0] == 0
    assert corpus.cleaning == {"audio: frames with infinity": 1}


def test_the_label_column(tmp_path):
    labels = np.array([[1.0, 5.0, np.nan], [2.0, 1.0, 0.5]])
    fold = Fold("train", {"text": _ones(2, 3)}, labels=labels, ids=_ids(2))
    corpus = _open(fold, tmp_path=tmp_path, label=1)
    assert (corpus.label, [s.label for s in corpus.read()]) == (LabelScale("1", 1.0, 5.0, 3.0), [5.0, 1.0])
    corpus = _open(fold, tmp_path=tmp_path, label="2")
    assert [segment.label for segment in corpus.read()] == [None, 0.5]
    assert corpus.cleaning == {"labels: not finite, kept without a label": 1}
    with pytest.raises(ValueError, match=r"There is no such label column.*label=None .*--label"):
        _open(fold, tmp_path=tmp_path)
    with pytest.raises(ValueError, match=r"There are no labels to choose from.*label=1"):
        _open(Fold("train", {"text": _ones(2)}, ids=_ids(1)), tmp_path=tmp_path, label=1)


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([Fold("train", {"text": _ones(2), "audio": _ones(2, 3)})], r"do not fit together.*'text': 1, 'audio': 2"),
        ([Fold("train", {"text": _ones(2)}, ids=_ids(2))], r"do not fit together.*'ids': 2"),
        ([Fold("train", {"text": _ones(2)}, labels=np.zeros((3, 1)))], r"do not fit together.*'labels': 3"),
        ([Fold("train", {"text": _ones(2)}, lengths={"text": np.ones(2)})], r"do not fit.*'lengths of text': 2"),
        (
            [Fold("train", {"text": _ones(2)}), Fold("test", {"text": _ones(2, dim=3)})],
            r"some modality with the columns of the others.*'text': 2.*test with .'text': 3",
        ),
        ([Fold("train", {"text": _ones()})], "There are no segments"),
        (
            [
                Fold("train", {"text": _ones(2)}, labels=np.zeros((1, 1))),
                Fold("test", {"text": _ones(2)}, labels=np.zeros((1, 2))),
            ],
            r"Labels must have the same columns.*widths=\[1, 2\]",
        ),
    ],
)
def test_parts_that_contradict_each_other_are_refused(tmp_path, folds, message):
    with pytest.raises(ValueError, match=message):
        _open(*folds, tmp_path=tmp_path)


def test_stored_lengths_go_with_what_is_left_out(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 30000, (2, 1, 50)).astype(np.float32)
    lengths = {"text": np.array([50, 50]), "audio": np.array([3, 2])}
    fold = Fold("train", {"text": numbers, "audio": _ones(3, 2)}, ids=_ids(2), lengths=lengths)
    other = Fold("test", {"audio": _ones(3, 4, dim=3), "video": _ones(3, 4)}, ids=_ids(2, "w"), lengths=lengths)
    video = Fold("valid", {"audio": _ones(3), "video": _ones(3)}, ids=_ids(1, "u"), lengths={"audio": np.array([3])})
    corpus = _open(fold, video, other, tmp_path=tmp_path)
    kept = [(segment.id, {name: array.shape for name, array in segment.features.items()}) for segment in corpus.read()]
    assert kept == [
        ("v[0]", {"audio": (3, 2)}),
        ("v[1]", {"audio": (2, 2)}),
        ("u[0]", {"audio": (3, 2), "video": (3, 2)}),
        ("w[0]", {"video": (3, 2)}),
        ("w[1]", {"video": (4, 2)}),
    ]
    assert corpus.cleaning["audio: segments with other columns than most, taken as without it"] == 2
