import numpy as np
import pytest

from mmtrans.models.regressor import build_regressor
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse
from tools.benchmark_fusion import DIMS, fusion_config
from tools.benchmark_options import Options

#: Method → parameters of `benchmarks/fusion_torch.py`, as it prints them.
OF_TORCH = {"tfn": 9_183_265, "lmf": 173_345, "mult": 1_003_297, "mfn": 332_289, "marn": 278_625}


@pytest.mark.parametrize("method", OF_TORCH)
def test_it_is_as_large_as_its_comparator(method):
    """But for the recurrent layer: PyTorch's has two biases a gate, Keras' has one."""
    config = fusion_config(Options(recipes=f"{method}(T,A,V)"))
    statistics = Statistics({k: np.zeros(n) for k, n in DIMS.items()}, {k: np.ones(n) for k, n in DIMS.items()})
    of_views = 4 * (64 + 32 + 32)
    gates = {"tfn": 4 * 64, "lmf": 4 * 64, "mult": 0, "mfn": of_views, "marn": of_views}
    ours = build_regressor(parse(config.plan.recipe), config, statistics).count_params()
    assert ours == OF_TORCH[method] - gates[method]


def test_a_recipe_of_fewer_modalities_is_refused():
    with pytest.raises(ValueError, match=r"No fusion to measure\. .* Received: recipes='tfn\(T,A\)'\. Name one"):
        fusion_config(Options(recipes="tfn(T,A)"))
