import json
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.conversion.refold import refold
from mmtrans.conversion.statistics import ColumnStatistics, Moments
from mmtrans.data.records import Records
from mmtrans.search.folds import fold_videos
from mmtrans.search.plan import Search
from tfrecords.reader import read_segments


@pytest.fixture
def search(tmp_path, small):
    config, specs = Config(recipe="T", seed=4), {"regressor_units": [4, 5]}
    return Search(tmp_path, small.directory, "abc", config, specs, "random", "mae", num_folds=3)


def make_folds(search, records, folds):
    for fold, valid in enumerate(folds):
        refold(records.directory, valid, search.fold_path(fold))


def segments(records, split):
    found = {}
    for shard in records.shards(split):
        dims = {name: records.dim(name) for name in shard.bucket_steps}
        found |= {s.id: s for s in read_segments(records.directory / shard.file, dims, split)}
    return found


def test_folds_are_of_train_and_valid_by_video_with_statistics_of_their_own(search, small):
    make_folds(search, small, fold_videos(small, 3))
    sources = {**segments(small, "train"), **segments(small, "valid")}
    held_out = []
    for fold in range(3):
        records = Records.open(search.fold_path(fold))
        train, valid = segments(records, "train"), segments(records, "valid")
        assert train.keys() | valid.keys() == sources.keys()
        assert segments(records, "test") == {}
        videos = {segment.video_id for segment in valid.values()}
        assert not videos & {segment.video_id for segment in train.values()}
        held_out.append(videos)
        for name in ("text", "audio"):
            statistics = ColumnStatistics(small.dim(name))
            for segment in train.values():
                statistics.add(Moments.of(segment.features[name]))
            for expected, actual in zip(statistics.result(), records.statistics(name), strict=True):
                np.testing.assert_allclose(actual, expected, rtol=1e-5)
        for segment_id, segment in {**train, **valid}.items():
            source = sources[segment_id]
            assert (segment.label, segment.tokens, segment.video_id) == (source.label, source.tokens, source.video_id)
            np.testing.assert_array_equal(segment.features["text"], source.features["text"])
        assert records.manifest.label == small.manifest.label
        assert records.manifest.max_steps == small.manifest.max_steps
    before = [path.stat().st_mtime_ns for path in sorted(search.path.rglob("manifest.json"))]
    make_folds(search, small, held_out)
    assert [path.stat().st_mtime_ns for path in sorted(search.path.rglob("manifest.json"))] == before
    # The test video is v3.
    assert sorted(video for videos in held_out for video in videos) == ["v0", "v1", "v2"]


def test_more_folds_than_videos_are_refused(small):
    with pytest.raises(ValueError, match=r"Too few videos to fold\. .*--folds-cv 4 .*Received: videos=3"):
        fold_videos(small, 4)


def test_a_trial_trains_each_seed_on_each_fold(search):
    trainings = replace(search, seeds_per_trial=2).trainings("0007", {"regressor_units": 5}, epochs=3)
    assert [training.name for training in trainings] == [
        f"0007/seed-{seed}-fold-{fold}" for seed in (0, 1) for fold in (0, 1, 2)
    ]
    assert [training.config.plan.seed for training in trainings] == [4, 4, 4, 5, 5, 5]
    assert {(t.config.regressor.regressor_units, t.config.optimisation.epochs) for t in trainings} == {(5, 3)}
    assert trainings[4].records_path == search.path / "folds" / "fold-1"
    assert json.loads(json.dumps(search.description()))["num_folds"] == 3
