import numpy as np
import pytest

from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Features

RNG = np.random.default_rng(0)
DIMS = {"text": 3, "audio": 2, "video": 4}
MEAN = {name: RNG.normal(size=dim) for name, dim in DIMS.items()}
STD = {name: RNG.uniform(0.5, 2, size=dim) for name, dim in DIMS.items()}
STATISTICS = Statistics(MEAN, STD)


@pytest.mark.parametrize(
    ("names", "dim", "blocks"),
    [
        (("audio",), 2, {"audio": (0, 2)}),
        (("video", "audio"), 6, {"video": (0, 4), "audio": (4, 6)}),
        (("audio", "text", "video"), 9, {"audio": (0, 2), "text": (2, 5), "video": (5, 9)}),
    ],
)
def test_columns(names, dim, blocks):
    features = Features(names)
    assert STATISTICS.dim(features) == dim
    assert STATISTICS.blocks(features) == blocks
    assert list(STATISTICS.blocks(features)) == list(names)
    mean, std = STATISTICS.target(features)
    for name, (start, stop) in blocks.items():
        np.testing.assert_array_equal(mean[start:stop], MEAN[name])
        np.testing.assert_array_equal(std[start:stop], STD[name])


def test_word_vectors_as_a_source_are_left_as_they_are():
    mean, std = STATISTICS.source(Features(("audio", "text")))
    np.testing.assert_array_equal(mean, [*MEAN["audio"], 0, 0, 0])
    np.testing.assert_array_equal(std, [*STD["audio"], 1, 1, 1])
    mean, std = STATISTICS.source(Features(("video",)))
    np.testing.assert_array_equal(mean, MEAN["video"])
    np.testing.assert_array_equal(std, STD["video"])


def test_text_need_not_be_there():
    statistics = Statistics({"audio": MEAN["audio"]}, {"audio": STD["audio"]})
    np.testing.assert_array_equal(statistics.source(Features(("audio",)))[0], MEAN["audio"])


def test_the_file_round_trips(tmp_path):
    STATISTICS.save(tmp_path / "statistics.npz")
    loaded = Statistics.load(tmp_path / "statistics.npz")
    for kind in ("mean", "std"):
        assert list(getattr(loaded, kind)) == list(DIMS)
        for name in DIMS:
            np.testing.assert_array_equal(getattr(loaded, kind)[name], getattr(STATISTICS, kind)[name])


def test_objects_in_the_file_are_refused(tmp_path):
    np.savez(tmp_path / "bad.npz", **{"mean/text": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Statistics.load(tmp_path / "bad.npz")
