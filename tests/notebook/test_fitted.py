"""What a notebook gets of a run equals what the commands write."""

import contextlib
import csv
import dataclasses
import json

import numpy as np
import pytest

from mmtrans import api
from mmtrans.engine.here import Here
from mmtrans.engine.options import EngineOptions
from mmtrans.notebook.tables import Columns, table
from tests.conversion.test_convert import write_videos


@pytest.fixture
def without_pandas(monkeypatch):
    """Pandas is not installed."""
    monkeypatch.setattr("mmtrans.notebook.tables._pandas", lambda: None)


@pytest.fixture
def fitted(baseline_run, without_pandas):
    """The run of recipe T of the command line."""
    return api.open_run(baseline_run)


def rows_of(columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_the_history_is_that_of_history_csv(fitted, baseline_run):
    with open(baseline_run / "history.csv") as file:
        expected = list(csv.DictReader(file))
    found = rows_of(fitted.history)
    assert [row["epoch"] for row in found] == [int(row["epoch"]) for row in expected]
    for name in ("loss", "valid_loss", "learning_rate"):
        np.testing.assert_array_equal([row[name] for row in found], [float(row[name]) for row in expected])
    assert list(fitted.history)[:4] == ["phase", "epoch", "loss", "valid_loss"]


def test_metrics_and_predictions_are_those_of_evaluate(fitted, baseline_run):
    stored = json.loads((baseline_run / "metrics.json").read_text())["valid"]
    found = {row["metric"]: row for row in rows_of(fitted.metrics("valid"))}
    assert found["mae"]["value"] == stored["mae"]
    assert found["mae"]["median"] == stored["baselines"]["median"]["mae"]
    assert found["mae"]["low"] == stored["mae_low"]
    with open(baseline_run / "predictions.csv") as file:
        expected = {row["id"]: row for row in csv.DictReader(file) if row["split"] == "valid"}
    rows = rows_of(fitted.predictions("valid"))
    assert {row["id"] for row in rows} == set(expected)
    for row in rows:
        assert row["prediction"] == pytest.approx(float(expected[row["id"]]["prediction"]), abs=1e-6)
        assert row["label"] == pytest.approx(float(expected[row["id"]]["label"]), abs=1e-6)
        assert row["error"] == pytest.approx(row["prediction"] - row["label"], abs=1e-6)


def test_pictures_show_themselves(fitted):
    for picture in (fitted.plot.scatter(), fitted.plot.confusion(), fitted.plot.history()):
        assert picture._repr_png_().startswith(b"\x89PNG")


def test_attention_of_a_translation(translation_run):
    fitted = api.open_run(translation_run)
    first = next(fitted.translate("valid"))
    assert fitted.plot.attention(first.id)._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(
        ValueError, match=r"^No such segment\. Expected the id of one of the valid split\. Received: id='x'"
    ):
        fitted.plot.attention("x")


def test_a_run_says_what_it_is(fitted, baseline_run):
    assert repr(fitted) == f"Fitted('T', seed 0, {str(baseline_run)!r})"
    assert "1-sentiment-T" in fitted._repr_html_()


def test_fit_trains_once_and_then_opens(records_dir, tmp_path, monkeypatch, without_pandas):
    monkeypatch.chdir(tmp_path)
    fields = {"recipe": "T", "epochs": 1, "regressor_units": 4, "bidirectional": False}
    fitted = api.fit(records_dir, quiet=True, **fields)
    assert fitted.path.parent.name == "runs"
    assert len(fitted.history["epoch"]) == 1
    monkeypatch.setattr("mmtrans.training.train.fit", lambda *_: pytest.fail("trained"))
    again = api.fit(api.Records.open(records_dir), quiet=True, **fields)
    assert again.path == fitted.path
    # The same run by the command line's flags.
    assert str(fitted.path) == fitted.config.default_run(api.Records.open(records_dir).manifest.manifest_hash)


def test_a_misspelt_field_is_asked_for(records_dir):
    with pytest.raises(TypeError, match=r"no such fields: \['epoch'\]\. Did you mean epochs\?"):
        api.fit(records_dir, epoch=3)


def test_an_unfinished_run_is_not_opened(baseline_run, tmp_path):
    with pytest.raises(FileNotFoundError, match="No run there"):
        api.open_run(tmp_path)


def test_convert_takes_a_path_and_options(corpus_dir, tmp_path):
    records = api.convert(corpus_dir, tmp_path / "records", max_steps=3)
    assert isinstance(records, api.Records)
    assert records.manifest.max_steps == {"aligned": 3}
    assert records.manifest.truncated["aligned"] > 0
    manifest = api.convert(api.open_corpus(corpus_dir), tmp_path / "again", max_steps={"aligned": 3})
    assert manifest.manifest_hash == records.manifest.manifest_hash
    with pytest.raises(TypeError, match="Received: glove"):
        api.convert(api.open_corpus(corpus_dir), tmp_path / "third", glove="x")


def test_convert_is_done_where_it_is_asked_for(tmp_path, monkeypatch):
    asked = []

    @contextlib.contextmanager
    def opened(options, work, needs):
        asked.append(options)
        yield Here(work, lambda task: None)

    monkeypatch.setattr("mmtrans.conversion.parts.opened", opened)
    write_videos(tmp_path / "source")
    (tmp_path / "glove.txt").write_text("good 1 2\n")
    corpus = api.open_corpus(tmp_path / "source", glove=tmp_path / "glove.txt")
    expected = api.convert(corpus, tmp_path / "here")
    assert asked == []
    records = api.convert(tmp_path / "source", tmp_path / "two", glove=tmp_path / "glove.txt", jobs=2)
    manifest = api.convert(corpus, tmp_path / "cluster", scheduler="tcp://host:8786", resources={"GPU": 1})
    assert records.manifest.manifest_hash == manifest.manifest_hash == expected.manifest_hash
    assert asked == [EngineOptions(jobs=2), EngineOptions(scheduler="tcp://host:8786", resources={"GPU": 1})]
    with pytest.raises(ValueError, match=r"Expected --jobs or a scheduler, not both\."):
        api.convert(corpus, tmp_path / "both", jobs=2, scheduler="tcp://host:8786")


def test_convert_by_several_of_a_format_without_units(tmp_path, capsys):
    corpus = dataclasses.replace(api.open_corpus(write_videos(tmp_path / "source")), opening=None)
    api.convert(corpus, tmp_path / "records", jobs=2)
    assert "Note: the csd format is read in one go, by this process." in capsys.readouterr().err


def test_a_table_without_pandas(without_pandas):
    found = table([{"a": 1, "b": 0.123456}, {"a": "<i>", "c": None}])
    assert found == Columns(a=[1, "<i>"], b=[0.123456, None], c=[None, None])
    html = found._repr_html_()
    assert "<td>&lt;i&gt;</td>" in html
    assert "<td>0.1235</td>" in html
    assert "25 rows" in table([{"a": i} for i in range(25)])._repr_html_()


def test_a_table_with_pandas():
    pandas = pytest.importorskip("pandas")
    found = table([{"a": 1}, {"a": 2}])
    assert isinstance(found, pandas.DataFrame)
    assert found["a"].tolist() == [1, 2]


@pytest.mark.slow
def test_the_explorer_is_a_page(fitted, translation_run, tmp_path):
    pytest.importorskip("vl_convert")
    page = fitted.explore(api.open_run(translation_run), out=tmp_path / "page.html")
    assert repr(page) == f"Page({str(tmp_path / 'page.html')!r})"
    assert "Segment explorer: T, T-&amp;gt;A, valid" in page._repr_html_()


def test_train_given_fields_names_fit(tmp_path):
    with pytest.raises(TypeError, match=r"Received: train\(str, recipe=…\)\. .* call api\.fit\("):
        api.train(str(tmp_path), recipe="T")
