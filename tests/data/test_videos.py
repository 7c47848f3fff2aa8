"""Batches of whole videos."""

from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.conversion.convert import convert
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import EpochOrder, WorkerShard, make_batches, num_batches
from mmtrans.data.records import Records
from mmtrans.data.videos import numbers_of, video_batches, video_rows, videos_per_batch
from tests.data.test_pipeline import ids, padded, read
from tests.tfrecords.segments import make_corpus, make_segment
from tfrecords.schema import parts_of

#: Videos of 1 to 7 segments, of which some lack a label or audio. Lengths differ, so that a video lies in many shards.
SEGMENTS = [
    make_segment(
        index,
        1 + (11 * index + 3 * video) % 30,
        video=f"v{video}",
        label=None if index == 4 else index / 2,
        modalities=("text",) if index == 5 else ("text", "audio"),
    )
    for video in range(7)
    for index in range(video + 1)
]
TRAIN = [f"v{video}" for video in range(7)]
VIDEOS = Selection("train", ("text", "audio"), labelled=True, whole_videos=True)
READ = {segment.id: segment for segment in SEGMENTS if segment.label is not None and len(segment.features) == 2}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "records"
    convert(make_corpus(SEGMENTS, folds={"train": TRAIN}), path)
    return Records.open(path)


@pytest.mark.parametrize("batch_size", [1, 7, 12, 1000])
@pytest.mark.parametrize("shuffle", [None, (3, 1)])
def test_no_video_is_split_and_its_segments_come_in_their_order(records, batch_size, shuffle):
    batches = read(make_batches(records, VIDEOS, batch_size=batch_size, shuffle=shuffle))
    assert len(batches) == num_batches(records, VIDEOS, batch_size)
    videos = []
    for batch in batches:
        parts = [parts_of(id_.decode()) for id_ in batch["id"]]
        own = list(dict.fromkeys(video for video, _ in parts))
        assert batch["video_number"].tolist() == [own.index(video) for video, _ in parts]
        assert batch["segment_number"].tolist() == [number for _, number in parts]
        assert parts == [(video, number) for video in own for number in sorted(n for v, n in parts if v == video)]
        videos += own
    assert sorted(videos) == TRAIN
    assert sorted(chain.from_iterable(ids(batches))) == sorted(READ)
    # As many videos in each as have about so many segments, but in the last.
    count = max(1, round(batch_size * 7 / len(READ)))
    assert len(batches) == -(-7 // count)
    assert [len(set(batch["video_number"])) for batch in batches[:-1]] == [min(count, 7)] * (len(batches) - 1)


def test_batches_hold_the_segments(records):
    for batch in read(make_batches(records, VIDEOS, batch_size=9)):
        segments = [READ[id_.decode()] for id_ in batch["id"]]
        source = padded([np.concatenate([s.features["text"], s.features["audio"]], axis=1) for s in segments])
        np.testing.assert_array_equal(batch["source"], source)
        np.testing.assert_array_equal(batch["source_length"], [len(s.features["text"]) for s in segments])
        np.testing.assert_array_equal(batch["label"], np.array([s.label for s in segments], np.float32))
        assert batch["video_number"].dtype == batch["segment_number"].dtype == np.int64


def test_unlabelled_segments_are_neighbours_where_they_are_selected(records):
    everything = Selection("train", ("text",), whole_videos=True)
    found = ids(read(make_batches(records, everything, batch_size=8)))
    assert sorted(chain.from_iterable(found)) == sorted(segment.id for segment in SEGMENTS)


def test_an_epoch_has_an_order_of_its_own_and_can_be_entered_in_its_middle(records):
    def batches(epoch, skip=0):
        return ids(read(make_batches(records, VIDEOS, batch_size=7, shuffle=EpochOrder(5, epoch, skip))))

    assert batches(0) == batches(0)
    assert batches(0) != batches(1)
    assert batches(1, skip=2) == batches(1)[2:]


def test_rows_that_were_left_out_are_no_neighbours(records):
    gone = {"v6[0]", "v3[2]"}
    view = records.without(gone, "train")
    found = set(chain.from_iterable(ids(read(make_batches(view, VIDEOS, batch_size=9)))))
    assert found == set(READ) - gone
    hidden = records.with_label_fraction(0.5, 3)
    found = list(chain.from_iterable(ids(read(make_batches(hidden, VIDEOS, batch_size=9)))))
    assert len(found) == hidden.count("train", ("text", "audio"), labelled=True)
    assert set(found) == set(READ) - set(hidden.hidden_ids)


@pytest.mark.parametrize("shuffle", [None, (0, 2)])
def test_workers_part_the_videos_of_each_batch(records, shuffle):
    whole = read(make_batches(records, VIDEOS, batch_size=9, shuffle=shuffle))
    parts = [
        read(make_batches(records, VIDEOS, batch_size=9, shuffle=shuffle, worker=WorkerShard(index, 2)))
        for index in range(2)
    ]
    assert num_batches(records, VIDEOS, 9, WorkerShard(1, 2)) == len(whole) == len(parts[0]) == len(parts[1])
    for batch, first, second in zip(whole, *parts, strict=True):
        for index, part in enumerate((first, second)):
            taken = batch["video_number"] % 2 == index
            assert part["id"].tolist() == batch["id"][taken].tolist()
    # The last batch has one video, so that the second worker has none.
    assert len(parts[1][-1]["id"]) == 0


def test_whole_videos_cannot_be_shared_by_files(records):
    with pytest.raises(ValueError, match=r"Whole videos cannot be shared by files.*Leave --sharding out\."):
        make_batches(records, VIDEOS, batch_size=4, worker=WorkerShard(0, 2, "files"))


def test_rows_of_a_video_are_sorted_by_number_and_not_by_text():
    assert video_rows(["b[10]", "a[0]", "b[9]", "b[2]"]) == {"a": [1], "b": [3, 2, 0]}
    with pytest.raises(ValueError, match=r"No segment id\. .*id='b'"):
        video_rows(["b"])


def test_a_batch_has_about_as_many_segments_as_asked_for():
    assert [videos_per_batch(50, 1250, size) for size in (1, 12, 32, 38, 64, 5000)] == [1, 1, 1, 2, 3, 200]
    assert video_batches(["a[0]", "a[1]", "b[0]"], 1) == [[0, 1], [2]]


def test_numbers_are_those_of_the_ids():
    numbers = numbers_of(tf.constant(["x[1][07]", "y\n[3]", "x[1][999999999999999999]", "x[7]"]))
    assert numbers["video_number"].numpy().tolist() == [0, 1, 0, 2]
    assert numbers["segment_number"].numpy().tolist() == [7, 3, 999999999999999999, 7]
    assert all(len(values) == 0 for values in numbers_of(tf.constant([], tf.string)).values())
