import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.search.importance import columns_of, importances, plot_parameters
from mmtrans.search.plan import Search
from mmtrans.search.results import Score, Trial


@pytest.fixture
def search(tmp_path):
    specs = {
        "units": [4, 8, 16],
        "cell": ["lstm", "gru"],
        "learning_rate": {"low": 1e-3, "high": 1e-1, "sampling": "log"},
    }
    return Search(tmp_path, tmp_path, "abc", Config(recipe="T->A"), specs, "random", "mae")


def trials(number, seed=0):
    """Trials whose objective is that of the cell, and a little noise."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        cell = ("lstm", "gru")[i % 2]
        parameters = {
            "units": int(rng.choice([4, 8, 16])),
            "cell": cell,
            "learning_rate": float(rng.uniform(0.001, 0.1)),
        }
        value = (1.0 if cell == "gru" else 2.0) + 0.01 * rng.normal()
        yield Trial(f"{i:04d}", f"{i:04d}", parameters, 9, (Score("r", 0, None, value, 9),), 1.0)


def test_the_forest_finds_what_mattered(search):
    found = list(trials(24))
    columns = columns_of(search, found)
    np.testing.assert_array_equal(columns["cell"], [0, 1] * 12)
    shares, r2 = importances(columns, np.array([trial.value for trial in found]))
    assert next(iter(shares)) == "cell"
    assert shares["cell"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)
    assert r2 > 0.9
    assert importances(columns, np.ones(24)) is None


def test_few_trials_have_a_plot_but_no_importances(search):
    few = [*trials(3), Trial("0003", "0003", {}, 9, (), 1.0, "It broke.")]
    assert importances(columns_of(search, few[:3]), np.array([1.0, 2.0, 3.0])) is None
    plot_parameters(search, few[3:])
    assert not (search.path / "plots").exists()
    plot_parameters(search, few)
    image = tf.io.decode_png((search.path / "plots" / "parameters.png").read_bytes())
    assert image.shape[1] > image.shape[0] > 300
    assert len(np.unique(image[..., 0])) > 50
