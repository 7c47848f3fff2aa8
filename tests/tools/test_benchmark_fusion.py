import ast
from pathlib import Path

import numpy as np
import pytest

from mmtrans.models.regressor import build_regressor
from mmtrans.models.rivals.build import METHODS
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse
from tools.benchmark_fusion import DIMS, fusion_config
from tools.benchmark_options import Options

COMPARATOR = Path(__file__).resolve().parents[2] / "benchmarks" / "fusion_torch.py"

#: Method → parameters of `benchmarks/fusion_torch.py`, as it prints them.
OF_TORCH = {
    "tfn": 9_183_265,
    "lmf": 173_345,
    "mult": 1_004_065,
    "misa": 309_985,
    "mfn": 331_777,
    "marn": 278_113,
    "mvlstm": 123_137,
    "gme": 137_187,
    "bclstm": 596_481,
}

#: Method → gates of its recurrent layers: PyTorch's have two biases a gate, Keras' have one.
GATES = {"tfn": 4 * 64, "lmf": 4 * 64, "misa": 6 * 4 * 64, "gme": 4 * 64, "bclstm": 3 * 4 * (64 + 2 * 32) + 2 * 4 * 128}


@pytest.mark.parametrize("method", OF_TORCH)
def test_it_is_as_large_as_its_comparator(method):
    config = fusion_config(Options(recipes=f"{method}(T,A,V)"))
    statistics = Statistics({k: np.zeros(n) for k, n in DIMS.items()}, {k: np.ones(n) for k, n in DIMS.items()})
    ours = build_regressor(parse(config.plan.recipe), config, statistics).count_params()
    assert ours == OF_TORCH[method] - GATES.get(method, 0)


def test_the_comparator_has_every_method_of_a_paper():
    tree = ast.parse(COMPARATOR.read_text(encoding="utf-8"))
    (models,) = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODELS"
    ]
    listed = [line.split()[0] for line in ast.get_docstring(tree).splitlines() if " et al. 20" in line]
    assert [key.value for key in models.keys] == listed == list(OF_TORCH)
    assert set(listed) == set(METHODS) - {"late"}


def test_a_recipe_of_fewer_modalities_is_refused():
    with pytest.raises(ValueError, match=r"No fusion to measure\. .* Received: recipes='tfn\(T,A\)'\. Name one"):
        fusion_config(Options(recipes="tfn(T,A)"))
