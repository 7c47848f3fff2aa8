"""Two sides in comparison: which runs make a side, and the numbers that come out."""

import numpy as np
import pytest

from mmtrans.grid.variants import Variant
from mmtrans.report.pair import compare_sides, sides_of
from tests.report.grids import HASH, segments, write_run

DATA = segments(num_videos=12)


def make(path, seed=0, noise=1.0, data=DATA, recipe="T", **fields):
    scores = data[2] + np.random.default_rng([seed, int(noise * 10)]).normal(0, noise, len(data[2]))
    write_run(path, Variant(recipe), seed, data, scores, **fields)
    return path


def test_the_difference_is_that_of_the_means_on_common_segments(tmp_path):
    a, b = sides_of([make(tmp_path / "a", noise=0.5), make(tmp_path / "b", noise=1.5, recipe="T->A", units=8)])
    pair = compare_sides(a, b, draws=200)
    mae = pair.metrics[0]
    assert (pair.split, pair.segments, pair.videos) == ("test", 60, 12)
    assert pair.fields == {"recipe": ("T", "T->A"), "units": (64, 8)}
    assert pair.grounds == {}
    assert mae.difference.mean == pytest.approx(mae.a - mae.b)
    assert mae.difference.high < 0
    assert mae.difference.p_value < 0.05


def test_the_values_of_segments_average_to_the_metrics(tmp_path):
    a, b = sides_of([make(tmp_path / "a", noise=0.5), make(tmp_path / "b", noise=1.5)])
    lines = {line.name: line for line in compare_sides(a, b, draws=20).metrics}
    for name in ("mae", "acc2_has0", "acc2_non0", "acc5", "acc7"):
        assert lines[name].difference.mean == pytest.approx(lines[name].a - lines[name].b, abs=1e-12)
    assert lines["pearson"].difference is None
    assert lines["f1_has0"].difference is None


def test_runs_that_differ_in_their_seed_alone_are_one_side(tmp_path):
    names = [("a0", 0, "T"), ("b0", 0, "A"), ("a1", 1, "T"), ("b1", 1, "A"), ("b2", 2, "A")]
    a, b = sides_of([make(tmp_path / name, seed, recipe=recipe) for name, seed, recipe in names])
    assert [run.path.name for run in a.runs] == ["a0", "a1"]
    assert b.title == "A, seeds 0, 1, 2"
    assert compare_sides(a, b, draws=20).fields == {"recipe": ("T", "A")}


def test_two_seeds_are_two_sides(tmp_path):
    a, b = sides_of([make(tmp_path / "a", 0), make(tmp_path / "b", 1)])
    assert compare_sides(a, b, draws=20).fields == {"seed": (0, 1)}


def test_under_ten_videos_there_is_no_interval(tmp_path):
    data = segments(num_videos=9)
    a, b = sides_of([make(tmp_path / "a", data=data), make(tmp_path / "b", 1, data=data)])
    difference = compare_sides(a, b).metrics[0].difference
    assert (difference.low, difference.p_value) == (None, None)


def test_runs_that_cannot_be_compared(tmp_path):
    first = make(tmp_path / "a")
    with pytest.raises(ValueError, match=r"A run is given twice"):
        sides_of([first, tmp_path / "." / "a"])
    with pytest.raises(ValueError, match=r"do not make two sides.*Received: runs=3, sets=3"):
        sides_of([first, make(tmp_path / "b", recipe="A"), make(tmp_path / "c", recipe="V")])
    with pytest.raises(FileNotFoundError, match=r"No run there"):
        sides_of([first, tmp_path / "gone"])
    sides = sides_of([first, make(tmp_path / "d", 1, data=segments(seed=1))])
    with pytest.raises(ValueError, match=r"have not scored the same segments.*Received: 60 common of test"):
        compare_sides(*sides)
    with pytest.raises(ValueError, match=r"no predictions of the valid split.*Received: run="):
        compare_sides(*sides, split="valid")
    other = sides_of([first, make(tmp_path / "e", 1, manifest_hash="cd" * 32)])
    assert compare_sides(*other, draws=20).grounds == {"manifest_hash": (HASH, "cd" * 32)}
