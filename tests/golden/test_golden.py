"""What training learns has not changed."""

import json

import pytest

from tests.golden.numbers import PATH, TRAININGS, measure

GOLDEN = json.loads(PATH.read_text(encoding="utf-8"))


def test_every_training_has_golden_numbers():
    assert set(GOLDEN) == set(TRAININGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_training_learns_what_it_learned(name, tmp_path):
    # Other processors round otherwise; on the one that recorded them the numbers are equal bit for bit.
    assert measure(name, tmp_path / name) == pytest.approx(GOLDEN[name], rel=1e-4, abs=1e-4)
