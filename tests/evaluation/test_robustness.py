import csv
import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.evaluation.corruptions import LEVELS
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.evaluation.metrics import METRICS, sentiment_metrics
from mmtrans.evaluation.plots.robustness import plot_robustness
from mmtrans.evaluation.predictions import make_scorer
from mmtrans.evaluation.robustness import evaluate_robustness, normalized_area, score_without
from mmtrans.runs.run import Run
from mmtrans.training.train import train


@pytest.fixture(scope="module")
def concat(small_dir, tmp_path_factory, tiny):
    """A run that reads text and audio, and its records."""
    records = Records.open(small_dir)
    # Far enough from a constant that every corruption shows.
    config = tiny(recipe="concat(T,A)", learning_rate=0.05, seed=5)
    run = Run.open_or_create(tmp_path_factory.mktemp("robust") / "run", config, records)
    train(run, records, quiet=True)
    return run, records


@pytest.fixture(scope="module")
def translation(translation_run, records_dir, tmp_path_factory):
    """A run that reads text alone when it predicts, and its records."""
    path = tmp_path_factory.mktemp("robust") / "run"
    shutil.copytree(translation_run, path)
    return Run.open(path), Records.open(records_dir)


@pytest.fixture(scope="module")
def of_concat(concat):
    return evaluate_robustness(*concat, "test")


@pytest.fixture(scope="module")
def of_translation(translation):
    return evaluate_robustness(*translation, "valid")


def flat(curve):
    return all(len({repr(value) for value in values}) == 1 for values in curve["metrics"].values())


def test_every_curve_begins_with_what_evaluate_says(concat, of_concat):
    expected = evaluate(*concat, "test")
    assert of_concat["segments"] == expected["segments"]
    for kind, curves in of_concat["curves"].items():
        assert list(curves) == ["text", "audio"]
        for curve in curves.values():
            assert {name: values[0] for name, values in curve["metrics"].items()} == {m: expected[m] for m in METRICS}
            assert curve["levels"] == [0.0, *LEVELS[kind]]
            assert {len(values) for values in curve["metrics"].values()} == {11}


def test_a_modality_that_is_not_read_changes_nothing(translation, of_concat, of_translation):
    with open(translation[0].path / "metrics.json") as file:
        clean = json.load(file)["valid"]["mae"]
    for curves in of_translation["curves"].values():
        assert [curves[name]["read"] for name in ("text", "audio", "video")] == [True, False, False]
        assert flat(curves["audio"])
        assert curves["audio"]["metrics"]["mae"] == [clean] * 11
        assert curves["audio"]["area"]["mae"] == pytest.approx(clean)
        assert not flat(curves["text"])
    for curves in of_concat["curves"].values():
        assert not flat(curves["text"])
        assert not flat(curves["audio"])


def test_a_missing_modality_is_its_train_mean(concat, of_concat):
    run, records = concat
    scorer, scores, labels = make_scorer(run), [], []
    for batch in make_batches(records, Selection("test", ("text", "audio"), labelled=True), batch_size=5):
        source, lengths = batch["source"].numpy(), batch["source_length"].numpy()
        for row, length in enumerate(lengths):
            source[row, :length, 3:] = run.statistics.mean["audio"]
        scores.append(scorer({"source": source, "source_length": lengths})["score"].numpy())
        labels.append(batch["label"].numpy())
    expected = sentiment_metrics(np.concatenate(scores), np.concatenate(labels), records.manifest.label)
    curve = of_concat["curves"]["missing"]["audio"]
    assert curve["metrics"]["mae"][-1] == pytest.approx(expected["mae"], abs=1e-5)


def test_scores_without_a_modality_are_those_at_the_end_of_its_curve(concat, of_concat):
    run, records = concat
    scores = score_without(run, records, "test", "audio")
    labels = {}
    for batch in make_batches(records, Selection("test", ("text", "audio"), labelled=True), batch_size=5):
        labels |= dict(zip((id_.decode() for id_ in batch["id"].numpy()), batch["label"].numpy(), strict=True))
    assert scores.keys() == labels.keys()
    errors = [abs(scores[id_] - label) for id_, label in labels.items()]
    curve = of_concat["curves"]["missing"]["audio"]["metrics"]["mae"]
    assert np.mean(errors) == pytest.approx(curve[-1], abs=1e-5)
    assert np.mean(errors) != pytest.approx(curve[0], abs=1e-5)


def test_batches_do_not_matter_and_splits_stand_side_by_side(concat, of_concat, tmp_path, monkeypatch):
    run, records = concat
    shutil.copytree(run.path, tmp_path / "run")
    # With another batch size the weights are no longer those of the configuration.
    monkeypatch.setattr("mmtrans.evaluation.robustness.check_finished", lambda _: None)
    other = replace(run, path=tmp_path / "run", config=replace(run.config, batch_size=3))
    found = evaluate_robustness(other, records, "valid")
    files = [tmp_path / "run" / name for name in ("robustness.json", "robustness.csv")]
    assert json.loads(files[0].read_text()) == {"test": of_concat, "valid": found}
    with open(files[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 * 2 * 11
    row = rows[11 * 2 + 3]
    assert (row["split"], row["corruption"], row["modality"], row["level"]) == ("test", "dropped", "text", "0.3")
    assert float(row["mae"]) == of_concat["curves"]["dropped"]["text"]["metrics"]["mae"][3]
    assert (other.path / "plots" / "robustness-valid.png").read_bytes().startswith(b"\x89PNG")
    found = evaluate_robustness(other, records, "test")
    for kind, curves in of_concat["curves"].items():
        for modality, curve in curves.items():
            mae = found["curves"][kind][modality]["metrics"]["mae"]
            np.testing.assert_allclose(mae, curve["metrics"]["mae"], atol=1e-5)


def test_area_is_the_mean_height():
    assert normalized_area([0.0, 1.0, 3.0], [0.0, 2.0, 4.0]) == pytest.approx((1 + 6) / 3)
    assert normalized_area([0.0, 0.1, 2.5], [0.7, 0.7, 0.7]) == pytest.approx(0.7)
    assert normalized_area([0.0, 1.0], [0.5, None]) is None


def test_areas_are_of_their_curves(of_concat):
    curve = of_concat["curves"]["noise"]["audio"]
    by_hand = sum((a + b) / 2 * 0.25 for a, b in itertools.pairwise(curve["metrics"]["mae"])) / 2.5
    assert curve["area"]["mae"] == pytest.approx(by_hand)


def test_the_plot_shows_the_curves(of_translation, tmp_path, monkeypatch):
    figures, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *args, **kw: figures.append(figure) or save(figure, *args, **kw)
    )
    curves = of_translation["curves"]
    plot_robustness(tmp_path / "r.png", curves, 1.25, "T->A, valid")
    for axes, of_kind in zip(figures[0].axes, curves.values(), strict=True):
        constant, text, audio, _ = axes.lines
        assert set(constant.get_ydata()) == {1.25}
        np.testing.assert_array_equal(text.get_xdata(), of_kind["text"]["levels"])
        np.testing.assert_array_equal(text.get_ydata(), of_kind["text"]["metrics"]["mae"])
        assert (text.get_label(), audio.get_label()) == ("text", "audio (not read)")


def test_a_run_that_is_not_finished_is_refused(translation, tmp_path):
    run, records = translation
    shutil.copytree(run.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "phases")
    with pytest.raises(ValueError, match=r"run is not finished"):
        evaluate_robustness(Run.open(tmp_path / "run"), records, "valid")


def test_results_in_a_place_of_their_own_name_the_runs_own_seed(concat, tmp_path):
    result = evaluate_robustness(*concat, "test", tmp_path / "out")
    assert (result["seed"], result["corruption_seed"]) == (5, 0)
    # And so they are known for the same run's the next time.
    assert evaluate_robustness(*concat, "test", tmp_path / "out") == result
