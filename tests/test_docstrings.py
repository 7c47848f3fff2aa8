"""Every name of the API and every layer has an example in its docstring, and what it shows comes."""

import doctest
import importlib
import inspect
import pkgutil
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans import api, layers
from mmtrans.evaluation.translation_quality import TranslationQuality
from tests.cli.spoken import make_spoken
from tests.clips.signals import SPEECH

#: An example, with its fence: the site colours it.
EXAMPLE = re.compile(r"^Example:\n    ```pycon\n((?:    .*\n)+?)    ```$", re.MULTILINE)

#: What examples name without importing it.
NAMES = {"api": api, "np": np, "tf": tf}

#: Names whose examples need a run that reads words alone; these are slow.
OF_WORDS = ("ClipPrediction", "predict_clip", "predict_text")
SLOW = (*OF_WORDS, "evaluate_ensemble", "grid", "report", "tune")


def public_layers():
    for module in pkgutil.iter_modules(layers.__path__, f"{layers.__name__}."):
        for name, found in vars(importlib.import_module(module.name)).items():
            is_layer = inspect.isclass(found) and issubclass(found, keras.layers.Layer)
            if is_layer and found.__module__ == module.name and not name.startswith("_"):
                yield found


def check(found, names):
    """Runs the example of a docstring, and tells what it does not show."""
    example = EXAMPLE.search(inspect.getdoc(found) or "")
    assert example, "It has no example that can be run. Expected `Example:` and a fence of `pycon` in its docstring."
    text = inspect.cleandoc(example[1])
    test = doctest.DocTestParser().get_doctest(text, dict(names), found.__name__, None, None)
    assert test.examples[-1].want, "The example ends without showing anything."
    told = []
    doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert not told, "".join(told)


@pytest.fixture(scope="module")
def folder(corpus_dir, records_dir, baseline_run, translation_run, tmp_path_factory):
    """What a reader has, under the names of the examples: a corpus, its records, a run of `T` and one of `T->A`."""
    folder = tmp_path_factory.mktemp("examples")
    found = {"corpus": corpus_dir, "records": records_dir, "run": baseline_run, "translation": translation_run}
    for name, path in found.items():
        shutil.copytree(path, folder / name)
    return folder


@pytest.fixture(scope="module")
def words(folder):
    """Besides, a run that reads words alone, `glove.txt`, and a clip."""
    spoken = make_spoken(folder / "spoken", with_encoder=True)
    spoken.run.rename(folder / "words")
    spoken.glove.rename(folder / "glove.txt")
    for file in SPEECH.glob("loved.*"):
        shutil.copy(file, folder)


@pytest.mark.parametrize("layer", [*public_layers(), TranslationQuality], ids=lambda layer: layer.__name__)
def test_a_layers_example_shows_what_comes(layer):
    check(layer, {**vars(inspect.getmodule(layer)), **NAMES})


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in api.__all__]
)
def test_an_example_of_the_api_shows_what_comes(name, folder, monkeypatch, request):
    monkeypatch.chdir(folder)
    if name in OF_WORDS:
        pytest.importorskip("pocketsphinx")
        request.getfixturevalue("words")
    if name == "report" and not (folder / "grid").exists():
        check(api.grid, NAMES)
    check(getattr(api, name), NAMES)


def test_an_example_that_shows_something_else_is_found():
    def double(number):
        """Doubles.

        Example:
            ```pycon
            >>> double(2)
            5
            ```
        """
        return 2 * number

    with pytest.raises(AssertionError, match=r"Expected:\s+5\s+Got:\s+4\s"):
        check(double, {"double": double})
    with pytest.raises(AssertionError, match="It has no example that can be run"):
        check(public_layers, {})
