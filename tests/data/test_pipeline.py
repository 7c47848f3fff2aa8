import os
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.data import serialized
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import EpochOrder, WorkerShard, make_batches, num_batches
from mmtrans.data.records import Records
from tests.tfrecords.segments import make_corpus, make_segment, make_segments
from tfrecords.reader import read_ids

TRAIN = [
    *make_segments(50, longest=40),
    make_segment(90, 5, video="v0", label=None),
    make_segment(91, 5, video="v0", modalities=("audio",)),
]
BOTH = Selection("train", ("text", "audio"), ("audio",))


@pytest.fixture(params=["held", "streamed"], autouse=True)
def way(request, monkeypatch):
    """Every test twice: records held in memory, as few are, and streamed, as many are."""
    if request.param == "streamed":
        monkeypatch.setattr(serialized, "HELD_BYTES", 0)
    return request.param


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "records"
    convert(make_corpus(TRAIN, folds={"train": ["v0", "v1", "v2", "v3"]}), path)
    return Records.open(path)


def read(dataset):
    return [{key: value.numpy() for key, value in batch.items()} for batch in dataset]


def ids(batches):
    return [[i.decode() for i in batch["id"]] for batch in batches]


def padded(arrays):
    result = np.zeros((len(arrays), max(map(len, arrays)), arrays[0].shape[1]), np.float32)
    for row, array in enumerate(arrays):
        for step, values in enumerate(array):
            result[row, step] = values
    return result


@pytest.mark.parametrize("shuffle", [None, (3, 1)])
def test_batches_hold_the_segments(records, shuffle):
    by_id = {segment.id: segment for segment in TRAIN}
    batches = read(make_batches(records, BOTH, batch_size=7, shuffle=shuffle))
    for batch in batches:
        segments = [by_id[i.decode()] for i in batch["id"]]
        audio = padded([s.features["audio"] for s in segments])
        source = padded([np.concatenate([s.features["text"], s.features["audio"]], axis=1) for s in segments])
        np.testing.assert_array_equal(batch["source"], source)
        np.testing.assert_array_equal(batch["target"], audio)
        for row in range(len(audio)):
            np.testing.assert_array_equal(batch["decoder_input"][row, 0], [0, 0])
            for step in range(1, audio.shape[1]):
                np.testing.assert_array_equal(batch["decoder_input"][row, step], audio[row, step - 1])
        assert batch["decoder_input"].shape == audio.shape
        lengths = [len(s.features["audio"]) for s in segments]
        np.testing.assert_array_equal(batch["source_length"], lengths)
        np.testing.assert_array_equal(batch["target_length"], lengths)
        labels = np.array([np.nan if s.label is None else s.label for s in segments], np.float32)
        np.testing.assert_array_equal(batch["label"], labels)
        assert {key: str(value.dtype) for key, value in batch.items() if key != "id"} == {
            "source": "float32",
            "source_length": "int32",
            "target": "float32",
            "decoder_input": "float32",
            "target_length": "int32",
            "label": "float32",
        }


@pytest.mark.parametrize("batch_size", [1, 4, 7, 51, 100])
@pytest.mark.parametrize("shuffle", [None, (0, 0)])
def test_every_segment_once_with_one_short_batch(records, batch_size, shuffle):
    batches = ids(read(make_batches(records, BOTH, batch_size=batch_size, shuffle=shuffle)))
    assert sorted(chain.from_iterable(batches)) == sorted(s.id for s in TRAIN if len(s.features) == 2)
    assert len(batches) == num_batches(records, BOTH, batch_size) == -(-51 // batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("train", ("text",)), 51),
        (Selection("train", ("text",), labelled=True), 50),
        (Selection("train", ("audio",), labelled=True), 51),
    ],
)
def test_selections(records, selection, expected):
    batches = read(make_batches(records, selection, batch_size=8))
    assert sum(len(batch["id"]) for batch in batches) == expected
    assert sorted(batches[0]) == ["id", "label", "source", "source_length"]
    assert selection.labelled != any(np.isnan(batch["label"]).any() for batch in batches)


def test_the_name_of_the_records_need_not_be_unicode(tmp_path):
    path = tmp_path / os.fsdecode(b"records\xff")
    convert(make_corpus([make_segment(0, 3, video="v0")], folds={"train": ["v0"]}), path)
    (batch,) = read(make_batches(Records.open(path), Selection("train", ("text",)), batch_size=4))
    assert batch["id"].tolist() == [b"v0[0]"]


def test_the_static_shapes_are_known(records):
    spec = make_batches(records, BOTH, batch_size=8).element_spec
    assert spec["source"].shape.as_list() == [None, None, 5]
    assert spec["decoder_input"].shape.as_list() == [None, None, 2]


def test_the_order_is_a_function_of_seed_and_epoch(records):
    order = {key: ids(read(make_batches(records, BOTH, batch_size=7, shuffle=key))) for key in [(1, 0), (1, 1), (2, 0)]}
    assert order[1, 0] == ids(read(make_batches(records, BOTH, batch_size=7, shuffle=(1, 0))))
    assert len({str(batches) for batches in order.values()}) == 3
    # Not only the order of the batches: their company changes too.
    assert {frozenset(b) for b in order[1, 0]} != {frozenset(b) for b in order[1, 1]}
    dataset = make_batches(records, BOTH, batch_size=7, shuffle=(1, 0))
    assert ids(read(dataset)) == ids(read(dataset))


def test_without_shuffling_short_segments_come_first(records):
    batches = read(make_batches(records, BOTH, batch_size=7))
    longest = [batch["source"].shape[1] for batch in batches]
    assert longest == sorted(longest)


def test_skip_resumes(records):
    dataset = make_batches(records, BOTH, batch_size=7, shuffle=(1, 4))
    assert ids(read(make_batches(records, BOTH, batch_size=7, shuffle=(1, 4, 3)))) == ids(read(dataset))[3:]
    assert ids(read(make_batches(records, BOTH, batch_size=7, shuffle=EpochOrder(1, 4, 8)))) == []


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("shuffle", [None, (5, 2)])
def test_workers_part_every_global_batch(records, workers, shuffle):
    whole = ids(read(make_batches(records, BOTH, batch_size=10, shuffle=shuffle)))
    parts = [
        ids(read(make_batches(records, BOTH, batch_size=10, shuffle=shuffle, worker=(i, workers))))
        for i in range(workers)
    ]
    for index, batch in enumerate(whole):
        for i in range(workers):
            assert parts[i][index] == batch[i::workers]


def test_a_worker_without_rows_still_has_a_batch(records):
    # 51 segments by 10: the last batch has one row, and it is worker 0's.
    batches = read(make_batches(records, BOTH, batch_size=10, worker=(1, 2)))
    assert len(batches) == 6
    assert batches[-1]["source"].shape[0] == batches[-1]["label"].shape[0] == 0
    assert batches[-1]["source"].shape[2] == 5


@pytest.mark.parametrize("batch_size", [4, 10])
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_with_files_of_their_own_read_every_segment_once(records, batch_size, workers):
    shares = [WorkerShard(i, workers, "files") for i in range(workers)]
    if batch_size % workers:
        with pytest.raises(ValueError, match=r"Expected a multiple of 4 workers\. Received: batch_size=10"):
            make_batches(records, BOTH, batch_size=batch_size, worker=shares[0])
        return
    parts = [
        ids(read(make_batches(records, BOTH, batch_size=batch_size, shuffle=(1, 1), worker=share))) for share in shares
    ]
    assert sorted(chain(*chain(*parts))) == sorted(s.id for s in TRAIN if len(s.features) == 2)
    steps = {num_batches(records, BOTH, batch_size, share) for share in shares}
    assert {len(part) for part in parts} == steps
    assert max(len(batch) for part in parts for batch in part) == batch_size // workers


def test_more_workers_than_files_are_refused(records):
    with pytest.raises(ValueError, match=r"fewer files than workers.*--sharding rows"):
        make_batches(records, BOTH, batch_size=40, worker=WorkerShard(0, 40, "files"))


def test_batches_of_small_buckets_carry_little_padding(records):
    batches = read(make_batches(records, BOTH, batch_size=7, shuffle=(0, 0)))
    steps = sum(batch["source"].shape[0] * batch["source"].shape[1] for batch in batches)
    valid = sum(int(batch["source_length"].sum()) for batch in batches)
    assert steps < 1.5 * valid
    assert 1.7 * valid < 51 * 40


def test_the_short_batch_is_of_any_length():
    rngs = [np.random.default_rng([0, epoch]) for epoch in range(20)]
    plans = [serialized._batch_plan([10, 3, 9], 4, rng) for rng in rngs]
    for plan in plans:
        np.testing.assert_array_equal(np.bincount(plan), [10, 3, 9])
    assert {0, 2} <= {int(plan[-1]) for plan in plans}


def test_a_small_shuffle_buffer_loses_nothing(records, monkeypatch):
    monkeypatch.setattr(serialized, "SHUFFLE_BYTES", 0)
    monkeypatch.setattr(serialized, "LEAST_SHUFFLED", 2)
    batches = ids(read(make_batches(records, BOTH, batch_size=7, shuffle=(0, 0))))
    assert len(set(chain.from_iterable(batches))) == 51


def test_both_ways_read_the_same_in_the_order_of_the_shards(records, monkeypatch):
    batches = {}
    for limit in (0, 1 << 30):
        monkeypatch.setattr(serialized, "HELD_BYTES", limit)
        batches[limit] = ids(read(make_batches(records, BOTH, batch_size=7)))
    assert batches[0] == batches[1 << 30]


def test_what_is_held_is_not_what_was_there_before(tmp_path):
    for seed in (0, 1):
        segments = make_segments(8, seed=seed)
        convert(make_corpus(segments), tmp_path / "records", overwrite=True)
        (batch,) = read(make_batches(Records.open(tmp_path / "records"), BOTH, batch_size=7))
        by_id = {segment.id: segment for segment in segments}
        np.testing.assert_array_equal(
            batch["target"], padded([by_id[i.decode()].features["audio"] for i in batch["id"]])
        )


def test_held_segments_are_shuffled_within_their_pool_alone():
    plan = np.array([1, 1, 0, 2, 2, 0, 1, 2])
    rows = serialized._rows([2, 3, 3], plan, np.random.default_rng(0))
    for pool, expected in enumerate([{0, 1}, {2, 3, 4}, {5, 6, 7}]):
        assert set(rows[plan == pool]) == expected
    np.testing.assert_array_equal(serialized._rows([2, 3, 3], plan, None), [2, 3, 0, 5, 6, 1, 4, 7])


def test_unaligned_modalities(tmp_path):
    segments = make_segments(20)
    for index, segment in enumerate(segments):
        segment.features["audio"] = np.full((11 + 9 * index, 2), index + 1, np.float32)
    convert(make_corpus(segments, aligned={"audio": False}), tmp_path / "records")
    records = Records.open(tmp_path / "records")
    batches = read(make_batches(records, Selection("train", ("text",), ("audio",)), batch_size=3, shuffle=(0, 0)))
    for batch in batches:
        assert batch["target"].shape[1] == batch["target_length"].max()
        assert batch["source"].shape[1] == batch["source_length"].max()
    with pytest.raises(ValueError, match=r"Only aligned modalities.*unaligned \['audio'\]"):
        make_batches(records, Selection("train", ("text", "audio")), batch_size=3)


def test_the_guard_of_the_view_holds(records):
    view = replace(records, splits=("train", "valid"))
    with pytest.raises(ValueError, match="may not be read here"):
        make_batches(view, replace(BOTH, split="test"), batch_size=3)


@pytest.mark.parametrize(
    ("selection", "options", "match"),
    [
        (BOTH, {"batch_size": 0}, "batch_size=0"),
        (BOTH, {"batch_size": 3, "worker": (2, 2)}, r"worker=\(2, 2\)"),
        (BOTH, {"batch_size": 3, "worker": (-1, 2)}, r"worker=\(-1, 2\)"),
        (Selection("train", ()), {"batch_size": 3}, r"must have a source.*source=\(\)"),
        (Selection("train", ("video",)), {"batch_size": 3}, "have no video"),
        (
            Selection("valid", ("text",), labelled=True),
            {"batch_size": 3},
            r"No segments to read\. Expected some with \['text'\] and a label.*split='valid'",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(records, selection, options, match):
    with pytest.raises(ValueError, match=match):
        make_batches(records, selection, **options)


@pytest.mark.parametrize("shuffle", [None, (3, 1)])
def test_a_share_of_the_labels_comes_in_whole_batches(records, shuffle):
    view = records.with_label_fraction(0.5, 3)
    selection = Selection("train", ("text",), labelled=True)
    batches = read(make_batches(view, selection, batch_size=7, shuffle=shuffle))
    kept = {
        id_
        for file, rows in view.kept_rows.items()
        for id_, row in zip(read_ids(records.directory / file), rows, strict=True)
        if row and "text" in next(s for s in TRAIN if s.id == id_).features
    }
    assert sorted(chain.from_iterable(ids(batches))) == sorted(kept)
    assert num_batches(view, selection, 7) == len(batches) == -(-len(kept) // 7)
    assert all(len(batch["id"]) == 7 for batch in batches[:-1])
    by_id = {segment.id: segment for segment in TRAIN}
    for batch in batches:
        np.testing.assert_array_equal(batch["label"], [np.float32(by_id[i.decode()].label) for i in batch["id"]])
    unlabelled = make_batches(view, Selection("train", ("text",)), batch_size=7, shuffle=shuffle)
    assert sum(map(len, ids(read(unlabelled)))) == 51
