import itertools

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from tests.tfrecords.segments import make_corpus, make_segment, make_segments
from tfrecords.reader import read_ids

SEGMENTS = [
    *make_segments(40),
    make_segment(90, 5, video="v0", label=None),
    make_segment(91, 5, video="v0", modalities=("audio",)),
    make_segment(92, 5, video="v1", modalities=("text",), label=None),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "records"
    convert(make_corpus(SEGMENTS), path)
    return path


@pytest.mark.parametrize(
    ("modalities", "labelled", "expected"),
    [
        ((), False, 23),
        ((), True, 21),
        (("text",), False, 22),
        (("text",), True, 20),
        (("text", "audio"), False, 21),
        (("audio",), True, 21),
    ],
)
def test_counts_come_from_the_manifest(directory, modalities, labelled, expected):
    records = Records.open(directory)
    assert records.count("train", modalities, labelled) == expected
    for shard in records.shards("train", modalities, labelled):
        assert set(modalities) <= set(shard.bucket_steps)
        assert shard.labelled or not labelled


def test_a_split_outside_the_view_is_refused(directory):
    records = Records.open(directory, splits=("train", "valid"))
    for ask in (records.shards, records.count, records.labels):
        with pytest.raises(ValueError, match=r"may not be read here\. Expected one of \['train', 'valid'\].*'test'"):
            ask("test")
    assert records.count("valid") == 10


def test_unknown_splits_are_refused(directory):
    with pytest.raises(ValueError, match=r"Unknown split.*\['dev'\]"):
        Records.open(directory, splits=("train", "dev"))


def test_a_fold_without_segments_is_empty(tmp_path):
    convert(make_corpus(make_segments(8), folds={"train": ["v0", "v1", "v2", "v3"]}), tmp_path / "records")
    records = Records.open(tmp_path / "records")
    assert records.shards("test") == ()
    assert records.count("test", ("text",), True) == 0
    assert records.labels("test").shape == (0,)


def test_dims_and_statistics(directory):
    records = Records.open(directory)
    assert (records.dim("text"), records.dim("audio")) == (3, 2)
    mean, std = records.statistics("audio")
    assert mean.shape == std.shape == (2,)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, records.manifest.modalities["audio"].mean, rtol=1e-6)


def test_labels_are_those_of_the_labelled_segments(directory):
    labels = Records.open(directory).labels("train")
    expected = [s.label for s in SEGMENTS if s.video_id in ("v0", "v1") and s.label is not None]
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(np.sort(labels), np.sort(np.array(expected, np.float32)))


def test_an_absent_modality_has_a_remedy(tmp_path):
    convert(make_corpus(make_segments(8, modalities=("audio",))), tmp_path / "records")
    records = Records.open(tmp_path / "records")
    assert records.has("audio")
    assert not records.has("text")
    with pytest.raises(ValueError, match=r"have no text\. Expected one of \['audio'\].*--glove FILE"):
        records.count("train", ("text",))
    with pytest.raises(ValueError, match=r"have no video.*another recipe"):
        records.dim("video")


def test_statistics_without_train_have_a_remedy(tmp_path):
    folds = {"test": ["v0", "v1", "v2", "v3"]}
    convert(make_corpus(make_segments(8), folds=folds), tmp_path / "records")
    with pytest.raises(ValueError, match=r"no statistics of text\. Expected a train split"):
        Records.open(tmp_path / "records").statistics("text")


def test_a_missing_or_cut_shard_is_named(tmp_path):
    manifest = convert(make_corpus(make_segments(8)), tmp_path / "records")
    shard = manifest.splits["test"].shards[0]
    path = tmp_path / "records" / shard.file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"another size\. Expected {shard.bytes} bytes.*{shard.file}"):
        Records.open(tmp_path / "records")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"shard is missing.*{shard.file}"):
        Records.open(tmp_path / "records")
    assert Records.open(tmp_path / "records", splits=("train", "valid")).count("train") == 4


def ids_kept(records):
    """Train segments that keep their labels, read from the rows."""
    ids = []
    for file, rows in records.kept_rows.items():
        ids += [id_ for id_, kept in zip(read_ids(records.directory / file), rows, strict=True) if kept]
    return set(ids)


def test_shares_of_the_labels_are_exact_nested_and_of_one_seed(directory):
    records = Records.open(directory, splits=("train", "valid"))
    assert records.with_label_fraction(1.0, 0) is records
    fractions = (0.01, 0.1, 0.25, 0.5, 0.9)
    kept = [ids_kept(records.with_label_fraction(fraction, 3)) for fraction in fractions]
    assert [len(ids) for ids in kept] == [1, 2, 5, 10, 19]  # of 21, at least one
    assert all(small < large for small, large in itertools.pairwise(kept))
    assert ids_kept(records.with_label_fraction(0.5, 3)) == kept[3]
    assert ids_kept(records.with_label_fraction(0.5, 4)) != kept[3]
    assert max(kept, key=len) <= {s.id for s in SEGMENTS if s.label is not None and s.video_id in ("v0", "v1")}


def test_a_share_narrows_labelled_train_alone(directory):
    whole = Records.open(directory, splits=("train", "valid"))
    records = whole.with_label_fraction(0.5, 3)
    labels = {segment.id: segment.label for segment in SEGMENTS}
    assert records.count("train", labelled=True) == 10
    assert records.count("train") == whole.count("train")
    assert records.shards("valid", labelled=True) == whole.shards("valid", labelled=True)
    expected = np.sort(np.array([labels[id_] for id_ in ids_kept(records)], np.float32))
    np.testing.assert_array_equal(np.sort(records.labels("train")), expected)
    np.testing.assert_array_equal(records.labels("valid"), whole.labels("valid"))


def test_a_share_of_valid_stands_beside_one_of_train(directory):
    whole = Records.open(directory, splits=("train", "valid"))
    train = whole.with_label_fraction(0.5, 3)
    both = train.with_label_fraction(0.3, 3, "valid")
    num_valid = whole.count("valid", labelled=True)
    assert both.count("train", labelled=True) == 10
    assert both.count("valid", labelled=True) == len(both.labels("valid")) == round(0.3 * num_valid) < num_valid
    assert both.count("valid") == whole.count("valid")
    np.testing.assert_array_equal(both.labels("train"), train.labels("train"))
    hidden = set(both.hidden_ids) - set(train.hidden_ids)
    assert len(hidden) == num_valid - both.count("valid", labelled=True)
    assert set(both.hidden_ids) > set(train.hidden_ids)
    assert hidden < set(whole.ids("valid"))


def test_shares_need_labels(tmp_path):
    segments = [make_segment(i, 3, video=f"v{i % 4}", label=None) for i in range(8)]
    convert(make_corpus(segments), tmp_path / "records")
    assert Records.open(tmp_path / "records").with_label_fraction(0.5, 0).count("train", labelled=True) == 0
