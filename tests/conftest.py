"""A tiny corpus, its records, and two trained runs, made once for all tests that need them.

Tests that write to a run or to records do so in a copy.
"""

import gc
import os
from pathlib import Path

# Before TensorFlow starts, here and in what tests start: threads that share a sum decide its last bits, and the workers
# of a parallel run share the cores.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
# On a GPU products keep all bits of float32, as oracles have them. Workers, and commands that they start, share it.
os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"

import keras
import pytest

from mmtrans.cli.main import main
from mmtrans.config import Config
from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.system.garbage import set_imports_aside
from mmtrans.training.process import graphs_released
from tests.tfrecords.segments import make_corpus, make_segment, make_segments

# The collector comes rarely: what tests and graphs take memory for is hardly ever garbage.
gc.set_threshold(10_000, 10, 10)

#: Sizes that differ from one another, and from the batch.
TINY = {"units": 4, "attention_units": 3, "decoder_units": 5, "regressor_units": 6, "bidirectional": False}

#: The same for the command line, of a baseline and of a translation.
BASELINE_FLAGS = ["--regressor-units", "6", "--no-bidirectional", "--epochs", "2", "--quiet"]
FLAGS = ["--units", "4", "--attention-units", "3", "--decoder-units", "5", *BASELINE_FLAGS]

#: Folders and files that the default lane alone runs: no version of TensorFlow and Keras changes what they check.
ONCE = (
    *("cli", "clips", "config", "conversion", "engine", "explore", "grid", "notebook", "report", "search", "sources"),
    *("synthetic", "system", "tools", "words", "earlier/test_keys.py"),
    *("evaluation/test_bootstrap.py", "evaluation/test_corruptions.py", "evaluation/test_intervals.py"),
    *("evaluation/test_killed.py", "evaluation/test_metrics.py", "evaluation/test_other_records.py"),
    *("evaluation/test_plots.py", "evaluation/test_results.py", "evaluation/test_seeds.py"),
    *("evaluation/test_shapes.py", "test_bounds.py", "test_clusters.py", "test_docs.py", "test_hostile.py"),
    *("test_kills.py", "test_packaging.py", "test_recipe.py", "test_systems.py", "training/test_resume.py"),
)

#: Of these folders what both lanes run: commands from end to end, searches by Keras Tuner, pickles of either NumPy, and
#: text encoders.
BOTH = (
    *("cli/test_export.py", "cli/test_predict.py", "cli/test_train.py", "cli/test_translate.py", "cli/test_tune.py"),
    *("search/test_space.py", "search/test_tuner.py"),
    *("sources/test_formats_agree.py", "sources/untrusted", "words/test_encoder.py", "words/test_known.py"),
)


def is_once(item):
    """Whether the default lane alone runs a test."""
    place = item.path.relative_to(Path(__file__).parent)
    places = {path.as_posix() for path in (place, *place.parents)}
    return item.get_closest_marker("once") is not None or (not places.isdisjoint(ONCE) and places.isdisjoint(BOTH))


def pytest_runtest_setup(item):
    """Leaves out what the lanes cannot differ in."""
    if keras.__version__.startswith("2.") and is_once(item):
        pytest.skip("no version of TensorFlow and Keras changes it: the suite beside Keras 3 has it")


@pytest.fixture(autouse=True, scope="session")
def _imports_set_aside():
    set_imports_aside()


@pytest.fixture(autouse=True, scope="module")
def _graphs_released():
    """What a file of tests has built can be freed at its end."""
    with graphs_released():
        yield


@pytest.fixture(autouse=True)
def _seeded():
    """Initial weights that a test leaves to chance are the same in every run."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def tiny():
    """`tiny(**fields)`: a small configuration; recipe T and two epochs unless said otherwise."""
    return lambda **fields: Config(
        **{"recipe": "T", "epochs": 2, "batch_size": 7, "feature_sampling": 0.0, **TINY, **fields}
    )


@pytest.fixture(scope="session")
def flags():
    """The flags of a small translation."""
    return list(FLAGS)


@pytest.fixture(scope="session")
def baseline_flags():
    """The flags of a small baseline."""
    return list(BASELINE_FLAGS)


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory):
    """The synthetic corpus of six videos: 4 train, 1 valid, 1 test."""
    path = tmp_path_factory.mktemp("corpus") / "corpus"
    assert main(["synthesize", str(path), "--videos", "6"]) == 0
    return path


@pytest.fixture(scope="session")
def records_dir(corpus_dir, tmp_path_factory):
    """Records of `corpus_dir`."""
    path = tmp_path_factory.mktemp("records") / "records"
    assert main(["convert", str(corpus_dir), str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def translation_run(records_dir, tmp_path_factory):
    """A finished run of `T->A` on `records_dir`, by the command line."""
    path = tmp_path_factory.mktemp("runs") / "translation"
    assert main(["train", "--data", str(records_dir), "--recipe", "T->A", "--run", str(path), *FLAGS]) == 0
    return path


@pytest.fixture(scope="session")
def baseline_run(records_dir, tmp_path_factory):
    """A finished run of `T` on `records_dir`, by the command line."""
    path = tmp_path_factory.mktemp("runs") / "baseline"
    assert main(["train", "--data", str(records_dir), "--recipe", "T", "--run", str(path), *BASELINE_FLAGS]) == 0
    return path


@pytest.fixture(scope="session")
def small_dir(tmp_path_factory):
    """Records of 20 train segments in two videos, 10 valid, 10 test; text of 3 columns, audio of 2; some unlabelled."""
    path = tmp_path_factory.mktemp("small") / "records"
    unlabelled = [make_segment(90 + i, 5 + i, video="v0", label=None) for i in range(3)]
    convert(make_corpus([*make_segments(40), *unlabelled]), path)
    return path


@pytest.fixture
def small(small_dir):
    """`small_dir` as training opens it."""
    return Records.open(small_dir, splits=("train", "valid"))
