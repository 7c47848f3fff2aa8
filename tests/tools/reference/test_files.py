"""The page of files tells every key of what is written."""

from dataclasses import fields
from typing import get_type_hints

import pytest

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.shapes import CurveFigures, RobustnessResult, SentimentResult
from mmtrans.evaluation.translation_quality import TranslationFigures
from mmtrans.grid.description import Failure, GridDescription
from mmtrans.inference.signature import ExportDescription
from mmtrans.runs.environment import DataDescription, Environment
from mmtrans.runs.phase_file import Outcome
from mmtrans.search.plan import SearchDescription
from mmtrans.search.results import Score, Trial
from tests.test_architecture import ROOT
from tfrecords.manifest import Manifest, ModalityInfo, Shard, Summary, TextColumns
from tools.reference.files import FIRST, LATER, files_page, keys_of


@pytest.mark.parametrize("kind", [Manifest, ModalityInfo, Shard, Summary, TextColumns, Outcome, Trial, Score])
def test_each_key_is_told(kind):
    told = keys_of(kind.__doc__ or "")
    assert set(told) == {field.name for field in fields(kind)}
    assert [key for key, what in told.items() if f"| `{key}` | " not in files_page() or not what] == []


@pytest.mark.parametrize(
    "kind",
    [
        *(Environment, DataDescription, SentimentResult, TranslationFigures, ExportDescription),
        *(RobustnessResult, CurveFigures, GridDescription, Failure, SearchDescription),
    ],
)
def test_each_key_of_a_mapping_is_told(kind):
    told = keys_of(kind.__doc__ or "")
    metrics = {f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")}
    assert get_type_hints(kind).keys() - metrics - told.keys() == set()
    assert [key for key in told if f"| `{key}` | " not in files_page()] == []


def test_each_metric_is_told():
    assert [name for name in METRICS if f"\n| `{name}` | " not in files_page()] == []


def test_a_key_that_a_later_version_added_says_so(monkeypatch):
    assert f"| `best_epoch` | the epoch that brought it; 0 if untrained. | {FIRST} |" in files_page()
    monkeypatch.setitem(LATER, "Outcome", {"best_epoch": "0.2.0"})
    assert "| `best_epoch` | the epoch that brought it; 0 if untrained. | 0.2.0 |" in files_page()


def test_versions_are_those_of_the_changelog():
    changelog = (ROOT / "docs" / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = {FIRST, *(version for keys in LATER.values() for version in keys.values())}
    assert [version for version in versions if version not in changelog] == []


def test_keys_of_a_docstring():
    text = """Something.

    Attributes:
        one: what it is,
            in two lines: here.
        two, three: of both.

    Raises:
        ValueError: never.
    """
    assert keys_of(text) == {"one": "what it is, in two lines: here.", "two": "of both.", "three": "of both."}
    assert keys_of("Nothing more.") == {}


def test_the_inputs_of_an_export_are_told():
    assert "| `beam_width` | hypotheses kept at each step, 1 to 10000 |" in files_page()
