"""Runs that read the pieces of words: their text encoder moves, is kept, and comes from where the records say."""

import csv
import json
import shutil

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.evaluation.corruptions import corrupt
from mmtrans.evaluation.robustness import _streams
from mmtrans.grid.plan import Grid
from mmtrans.grid.work import Workplace
from mmtrans.inference.opening import open_export
from mmtrans.models.pieces import find_text_encoder
from mmtrans.runs.environment import text_of
from mmtrans.runs.run import Run
from mmtrans.runs.text_encoder import leaves_encoder
from mmtrans.search.plan import Training
from mmtrans.search.work import Trainer
from mmtrans.training.optimizer import RampSchedule
from mmtrans.training.prepare import prepare_phases
from mmtrans.words.folder import open_folder
from mmtrans.words.model import build_text_encoder
from mmtrans.words.weights import load_weights
from tests.conftest import BASELINE_FLAGS
from tests.training.test_train import assert_equal_runs, interrupt_at, train_run
from tests.words.records import write_piece_records
from tests.words.tiny import make_tiny_encoder

#: All of the encoder moves, by steps that show.
TUNED = {"tune_text_encoder": "all", "text_learning_rate": 1e-3}
TUNED_FLAGS = ["--tune-text-encoder", "all", "--text-learning-rate", "0.001"]

#: The least that can stand above an encoder, where a test is about the encoder alone: its graphs are soon made.
BARE = {"recurrent": False, "pooling": "mean"}
BARE_FLAGS = ["--no-recurrent", "--pooling", "mean", "--epochs", "1", "--quiet"]


@pytest.fixture(scope="module")
def encoder_dir(tmp_path_factory):
    return make_tiny_encoder(tmp_path_factory.mktemp("words") / "encoder")


@pytest.fixture(scope="module")
def pieces_dir(encoder_dir, tmp_path_factory):
    return write_piece_records(encoder_dir, tmp_path_factory.mktemp("pieces") / "records")


@pytest.fixture
def pieces(pieces_dir):
    return Records.open(pieces_dir, splits=("train", "valid"))


@pytest.fixture(scope="module")
def tuned_run(pieces_dir, tmp_path_factory):
    """A finished run of `T`, by the command line."""
    path = tmp_path_factory.mktemp("tuned") / "run"
    command = ["train", "--data", str(pieces_dir), "--recipe", "T", "--run", str(path), *BASELINE_FLAGS]
    assert main([*command, *TUNED_FLAGS]) == 0
    return path


@pytest.fixture(scope="module")
def translated_run(tiny, pieces_dir, tmp_path_factory):
    """A finished run of `T->A` that has moved the encoder's last block."""
    config = tiny(recipe="T->A", tune_text_encoder="1", text_learning_rate=1e-3, epochs=1, **BARE)
    return train_run(tmp_path_factory.mktemp("translated") / "run", config, Records.open(pieces_dir))


def weights_of(model):
    """Part of a model's text encoder → its weights."""
    encoder = find_text_encoder(model)
    return {part.name: part.get_weights() for part in (encoder.embeddings, *encoder.blocks)}


def differing(left, right):
    """Names of the parts whose weights differ."""
    return [name for name in left if any((a != b).any() for a, b in zip(left[name], right[name], strict=True))]


def given_weights(run):
    folder = open_folder(text_of(run.data).encoder)
    given = build_text_encoder(folder.settings, [folder.settings.num_layers])
    load_weights(given, folder)
    return {part.name: part.get_weights() for part in (given.embeddings, *given.blocks)}


def test_the_encoder_moves_and_scores_come_without_its_folder(tuned_run, encoder_dir, tmp_path, capsys):
    run = Run.open(tuned_run)
    trained = weights_of(run.load_regressor().model)
    assert differing(trained, given_weights(run)) == ["embeddings", "block_1", "block_2"]
    capsys.readouterr()
    shutil.move(encoder_dir, tmp_path / "elsewhere")
    try:
        assert main(["evaluate", str(tuned_run), "--split", "valid", "--json"]) == 0
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert main(["export", str(tuned_run), str(tmp_path / "export")]) == 0
    finally:
        shutil.move(tmp_path / "elsewhere", encoder_dir)
    assert 0 < result["mae"] < 3

    # The exported graph reads ids, and its operations are those of exports.
    _, serve, _ = open_export(tmp_path / "export")
    scores = {}
    for batch in _batches(run):
        found = serve(text=batch["source"], length=batch["source_length"])["score"].numpy()
        scores |= dict(zip(batch["id"].numpy(), found, strict=True))
        lost = np.where(np.arange(5) == 1, np.nan, batch["source"]), np.where(np.arange(5) == 1, -1.0, batch["source"])
        without, none = (serve(text=np.float32(s), length=batch["source_length"])["score"].numpy() for s in lost)
        np.testing.assert_array_equal(without, none)
    with open(tuned_run / "predictions.csv", encoding="utf-8") as file:
        expected = {row["id"].encode(): float(row["prediction"]) for row in csv.DictReader(file)}
    assert len(scores) == 6
    assert scores == pytest.approx(expected, abs=1e-4)


def test_history_has_the_rate_of_the_encoder_beside_the_others(tuned_run):
    with open(tuned_run / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = max(int(path.name.split("-")[1]) for path in tuned_run.glob("phases/*/checkpoints/step-*")) // len(rows)
    ramp = RampSchedule(1e-3, 5 * steps, 0.1)
    assert [float(row["text_learning_rate"]) for row in rows] == pytest.approx(
        [float(ramp((epoch + 1) * steps)) for epoch in range(len(rows))]
    )
    assert float(rows[0]["learning_rate"]) > 1e-3


@pytest.mark.slow
@pytest.mark.once
def test_tuned_runs_are_an_ensemble(tuned_run, pieces_dir, tmp_path):
    command = ["train", "--data", str(pieces_dir), "--recipe", "T", "--run", str(tmp_path / "other"), *BARE_FLAGS]
    assert main([*command, *TUNED_FLAGS, "--seed", "1"]) == 0
    both = [str(tuned_run), str(tmp_path / "other")]
    assert main(["evaluate", *both, "--split", "valid", "--out", str(tmp_path / "both")]) == 0
    files = [tuned_run, tmp_path / "other", tmp_path / "both"]
    first, second, together = (_predictions(place / "predictions.csv") for place in files)
    assert together == pytest.approx({id_: (first[id_] + second[id_]) / 2 for id_ in first}, abs=1e-5)
    assert max(abs(first[id_] - second[id_]) for id_ in first) > 1e-4


def _predictions(path):
    with open(path, encoding="utf-8") as file:
        return {row["id"]: float(row["prediction"]) for row in csv.DictReader(file) if row["split"] == "valid"}


def _batches(run):
    return make_batches(Records.open(run.records_path), Selection("valid", ("text",), labelled=True), batch_size=4)


@pytest.mark.slow
@pytest.mark.once
def test_an_interrupted_run_equals_an_undisturbed_one(tiny, pieces, tmp_path, monkeypatch):
    config = tiny(**TUNED, **BARE, batch_size=5)
    expected = train_run(tmp_path / "expected", config, pieces)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            train_run(tmp_path / "run", config, pieces)
    assert_equal_runs(expected, train_run(tmp_path / "run", config, pieces))


@pytest.mark.slow
def test_a_translation_moves_the_encoder_and_its_regressor_does_not(translated_run):
    translated = weights_of(translated_run.load_translator().model)
    assert differing(translated, given_weights(translated_run)) == ["block_2"]
    assert differing(translated, weights_of(translated_run.load_regressor().model)) == []


@pytest.mark.slow
@pytest.mark.once
def test_a_run_starts_from_the_encoder_of_another_and_not_from_the_folder(translated_run, tiny, pieces, tmp_path):
    init = str(translated_run.path)
    config = tiny(recipe="T->A", tune_text_encoder="0", init=init, freeze="encoder", epochs=1, **BARE)
    later = train_run(tmp_path / "later", config, pieces)
    translated = weights_of(translated_run.load_translator().model)
    assert differing(weights_of(later.load_regressor().model), translated) == []

    other = write_piece_records(make_tiny_encoder(tmp_path / "other", seed=1), tmp_path / "records")
    with pytest.raises(ValueError, match=r"other sizes\. Expected words=pieces of the text encoder \w{12} as there"):
        prepare_phases(config, Records.open(other, splits=("train", "valid")))


def test_an_encoder_that_is_left_alone_is_read_all_the_same(tiny, pieces, tmp_path):
    run = train_run(tmp_path / "run", tiny(recipe="concat(T,A)", epochs=1, **BARE), pieces)
    assert differing(weights_of(run.load_regressor().model), given_weights(run)) == []


@pytest.mark.slow
@pytest.mark.once
def test_the_folder_may_lie_elsewhere(encoder_dir, tmp_path, capsys):
    here = shutil.copytree(encoder_dir, tmp_path / "encoder")
    data = write_piece_records(here, tmp_path / "records")
    shutil.move(here, tmp_path / "moved")
    command = ["train", "--data", str(data), "--recipe", "T", "--run", str(tmp_path / "run"), *BARE_FLAGS]
    assert main([*command, *TUNED_FLAGS]) == 2
    message = capsys.readouterr().err
    assert "There is no text encoder of this name." in message
    assert "say where it is by --text-encoder DIR." in message
    other = make_tiny_encoder(tmp_path / "other", seed=1)
    assert main([*command, *TUNED_FLAGS, "--text-encoder", str(other)]) == 2
    assert "The text encoder is another than that of the records. Expected sha256" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*command, *TUNED_FLAGS, "--text-encoder", str(tmp_path / "moved")]) == 0


@pytest.mark.slow
@pytest.mark.once
def test_grids_and_searches_find_the_folder_elsewhere(encoder_dir, tiny, tmp_path):
    here = shutil.copytree(encoder_dir, tmp_path / "encoder")
    data = write_piece_records(here, tmp_path / "records")
    moved = str(shutil.move(here, tmp_path / "moved"))
    config, found = tiny(**TUNED, **BARE, recipe="T", epochs=1), Records.open(data).manifest.manifest_hash
    for name in ("phases", "runs", "attempts"):
        (tmp_path / "grid" / name).mkdir(parents=True)
    for name in ("trials", "others"):
        (tmp_path / name / "work").mkdir(parents=True)
    grid = Grid(tmp_path / "grid", data, found, ("T",), (0,), False, (), config, "valid", text_encoder=moved)
    (task,) = grid.merged().tasks()
    completed = Workplace(grid.path, data, grid.splits, text_encoder=grid.text_encoder)(task)
    searched = Trainer(tmp_path / "trials", "mae", text_encoder=moved)(Training("0000", config, data, None))
    assert searched["value"] == completed["mae"]
    with pytest.raises(FileNotFoundError, match=r"say where it is by --text-encoder DIR\."):
        Trainer(tmp_path / "others", "mae")(Training("0000", config, data, None))


@pytest.mark.parametrize(
    ("tuned", "recipe", "init", "left"),
    [("0", "T", "", True), ("all", "T", "", False), ("0", "A", "", False), ("0", "T->A", "run", False)],
)
def test_a_run_leaves_the_encoder_where_nothing_of_it_moves(tiny, pieces, small, tuned, recipe, init, left):
    config = tiny(recipe=recipe, tune_text_encoder=tuned, init=init)
    assert leaves_encoder(config, pieces) == left
    assert not leaves_encoder(config, small)


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        ("T", {"tune_text_encoder": "3"}, r"has fewer layers\. Expected at most 2, or all .* tune_text_encoder=3 \("),
        ("A->T", {}, r"Pieces of words cannot be written\. .*Received: recipe=A->T, cycle_weight=0, with 3 columns"),
        ("T->A", {"cycle_weight": 0.5}, r"cannot be written\. .*recipe=T->A, cycle_weight=0\.5"),
    ],
)
def test_what_does_not_fit_the_encoder(tiny, pieces, recipe, fields, message):
    with pytest.raises(ValueError, match=message):
        prepare_phases(tiny(recipe=recipe, **fields), pieces)


def test_records_without_pieces_have_nothing_to_tune(tiny, small):
    with pytest.raises(ValueError, match=r"hold no pieces of words\. .*tune_text_encoder=all .*--text-pieces, or"):
        prepare_phases(tiny(recipe="T", tune_text_encoder="all"), small)


def test_corrupted_pieces_are_none(tuned_run, tmp_path):
    stream = _streams(Run.open(tuned_run))["text"]
    source = np.arange(40, dtype=np.float32).reshape(2, 4, 5)
    for kind, level in (("missing", 1.0), ("noise", 0.25)):
        found, _ = corrupt(source, np.array([4, 3]), [b"v[0]", b"v[1]"], (kind, level), stream, seed=0)
        assert (found[0, :, :3] == -1).all()
        assert (found[1, :3, :3] == -1).all()
        assert (found[1, 3] == 0).all()
        assert not (found[0, :, 3:] == source[0, :, 3:]).any()
