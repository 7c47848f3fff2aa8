"""A flag that does nothing says so."""

import json

import pytest
import yaml

from mmtrans.cli.main import main
from mmtrans.config import Config
from mmtrans.config.files import dump_yaml
from mmtrans.grid.plan import Grid
from mmtrans.search.plan import Search
from tests.cli.test_train import refused
from tfrecords.manifest import Manifest

NO_TRANSLATION = "(T translates nothing)"


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty working directory, and no cache; where TensorFlow would be imported the command stops."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def stop(*_):
        raise ValueError("So far.")

    monkeypatch.setattr("mmtrans.cli.quiet.import_devices", stop)
    monkeypatch.setattr("mmtrans.cli.quiet.import_tensorflow", stop)
    return tmp_path


def said(argv, capsys):
    """The lines on stderr of a command that gets as far as TensorFlow."""
    assert main([str(argument) for argument in argv]) == 2
    *notes, last = capsys.readouterr().err.splitlines()
    assert last == "mmtrans: So far."
    return notes


def test_the_flags_of_the_issue(alone, capsys):
    flags = ["--cycle-weight", "5", "--bottleneck", "vae", "--target", "tokens", "--stop", "--untrained"]
    assert refused(["train", "--recipe", "T", *flags[:2]], capsys) == (
        "mmtrans: Flags have no effect here. Expected those that the recipe reads. Received: cycle_weight=5.0 "
        f"{NO_TRANSLATION}. Leave --cycle-weight out.\n"
    )
    message = refused(["train", "--recipe", "T", *flags], capsys)
    for name in ("bottleneck='vae'", "cycle_weight=5.0", "stop=True", "target='tokens'", "untrained=True"):
        assert f"{name} {NO_TRANSLATION}" in message
    assert list(alone.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--recipe", "T->A", "--codebook-size", "9"], "codebook_size=9 (target='features')"),
        (["--target", "tokens", "--min-count", "3"], "min_count=3 (T->A writes no words)"),
        (
            ["--target", "tokens", "--translation-loss", "mae"],
            "translation_loss='mae' (target='tokens', without a cycle)",
        ),
        (["--kl-weight", "1"], "kl_weight=1.0 (bottleneck='none')"),
        (["--attention", "none", "--attention-units", "9"], "attention_units=9 (attention='none')"),
        (["--sentiment-weight", "2"], "sentiment_weight=2.0 (objective='sequential')"),
        (["--schedule", "constant", "--decay-epochs", "3"], "decay_epochs=3.0 (schedule='constant')"),
        (
            ["--feature-sampling", "0", "--sampling-steps", "3"],
            "sampling_steps=3 (true frames and tokens alone are fed)",
        ),
        (["--recipe", "T", "--finetune"], f"finetune=True {NO_TRANSLATION}"),
        (["--recipe", "T", "--decoder-units", "3"], f"decoder_units=3 {NO_TRANSLATION}"),
        (["--pretrain", "--objective", "joint"], "objective='joint' (a pre-training trains no regressor)"),
    ],
)
def test_each_says_why(alone, capsys, flags, reason):
    assert f"Received: {reason}. Leave --" in refused(["train", *flags], capsys)


@pytest.mark.parametrize(
    "flags",
    [
        ["--recipe", "T", "--units", "64", "--cell", "gru", "--no-untrained"],  # as they are anyhow, or read by all
        ["--target", "tokens", "--cycle-weight", "1", "--translation-loss", "mae", "--sampling-steps", "3"],
        ["--bottleneck", "vae", "--kl-weight", "0", "--latent-units", "3"],
        ["--objective", "joint", "--sentiment-weight", "2"],
    ],
)
def test_what_has_an_effect_is_taken(alone, capsys, flags):
    assert said(["train", *flags], capsys) == []


def test_a_file_is_noted(alone, capsys):
    (alone / "mine.yaml").write_text("recipe: T\ncycle_weight: 5\nregressor: {pooling: last}\n")
    note = f"mmtrans: Note: These fields have no effect here: cycle_weight=5.0 {NO_TRANSLATION}."
    # Without the devices nobody knows yet who is to say it.
    assert said(["train", "--config", "mine.yaml"], capsys) == []
    assert said(["tune", "--config", "mine.yaml", "--data", "r", "--out", "o"], capsys) == [note]
    message = refused(["tune", "--config", "mine.yaml", "--data", "r", "--out", "o", "--stop"], capsys)
    assert "Received: stop=True" in message
    assert "cycle_weight" not in message


def test_a_trained_run_has_its_note(small_dir, alone, capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(alone)
    monkeypatch.setattr("mmtrans.training.train.train", lambda *_: None)
    monkeypatch.setattr("mmtrans.evaluation.evaluate.evaluate", lambda *_: pytest.fail("stop here"))
    (alone / "mine.yaml").write_text("recipe: T\ncycle_weight: 5\n")
    with pytest.raises(pytest.fail.Exception, match="stop here"):
        main(["train", "--data", str(small_dir), "--config", "mine.yaml"])
    assert capsys.readouterr().err == (
        f"mmtrans: Note: These fields have no effect here: cycle_weight=5.0 {NO_TRANSLATION}.\n"
    )


@pytest.mark.parametrize("named", [True, False])
def test_a_run_that_was_begun_with_such_flags_goes_on(small_dir, alone, capsys, named):
    config = Config(recipe="T", cycle_weight=5.0)
    name = f"T-{config.digest(Manifest.load(small_dir).manifest_hash)}"
    place = alone / ("mine" if named else f"runs/{name}")
    place.mkdir(parents=True)
    (place / "config.yaml").write_text(dump_yaml(config.to_dict()))
    argv = ["train", "--data", small_dir, "--recipe", "T", *(["--run", place] if named else []), "--cycle-weight"]
    assert said([*argv, "5"], capsys) == []
    assert "cycle_weight=6.0" in refused([*argv, "6"], capsys)
    # The run of these is another one, unless it is named.
    received = "stop=True" if named else f"cycle_weight=5.0 {NO_TRANSLATION}, stop=True"
    assert f"Received: {received}" in refused([*argv, "5", "--stop"], capsys)


def test_a_flag_that_some_row_of_a_grid_reads_is_taken(alone, capsys):
    (alone / "rows.txt").write_text("T\nA\n")
    argv = ["grid", "--data", "r", "--out", "o", "--recipes", "rows.txt"]
    assert "Received: units=3 (T translates nothing). Leave --units out" in refused([*argv, "--units", "3"], capsys)
    assert said([*argv, "--regressor-units", "3"], capsys) == []
    (alone / "rows.txt").write_text("T\nA->T\n")
    assert said([*argv, "--units", "3"], capsys) == []
    assert "kl_weight=1.0 (T translates nothing)" in refused([*argv, "--kl-weight", "1"], capsys)
    (alone / "variants.yaml").write_text("vae: {bottleneck: vae}\n")
    assert said([*argv, "--kl-weight", "1", "--variants", "variants.yaml"], capsys) == []


def test_a_variant_is_noted(alone, capsys):
    (alone / "rows.txt").write_text("T\nT->A\n")
    (alone / "variants.yaml").write_text("bits: {free_bits: 1, units: 3}\nvae: {bottleneck: vae, free_bits: 2}\n")
    argv = ["grid", "--data", "r", "--out", "o", "--recipes", "rows.txt", "--variants", "variants.yaml"]
    note = "These fields of the variant bits have no effect here: free_bits=1.0 (bottleneck='none')."
    assert said(argv, capsys) == [f"mmtrans: Note: {note}"]


def test_a_grid_that_was_begun_with_such_flags_goes_on(alone, capsys):
    (alone / "rows.txt").write_text("T\n")
    grid = Grid(alone / "o", alone / "r", "abc", ("T",), (0,), False, (), Config(units=3), "test")
    grid.path.mkdir()
    grid.save()
    argv = ["grid", "--data", "r", "--out", "o", "--recipes", "rows.txt", "--units"]
    assert said([*argv, "3"], capsys) == [
        "mmtrans: Note: These fields have no effect here: units=3 " + NO_TRANSLATION + "."
    ]
    assert "Received: units=4" in refused([*argv, "4"], capsys)


def test_a_search_that_was_begun_with_such_flags_goes_on(alone, capsys):
    specs = {"regressor_units": [4, 6], "free_bits": [0.0, 1.0]}
    config = Config(recipe="T", units=3)
    search = Search(alone / "o", alone / "r", "abc", config, specs, "random", "mae")
    search.path.mkdir()
    (alone / "space.yaml").write_text(yaml.safe_dump(specs))
    argv = ["tune", "--data", "r", "--out", "o", "--recipe", "T", "--space", "space.yaml", "--units"]
    assert "Received: free_bits (T translates nothing) (space.yaml)" in refused([*argv, "3"], capsys)
    search.save()
    assert said([*argv, "3"], capsys) == [
        "mmtrans: Note: These fields have no effect here: units=3 " + NO_TRANSLATION + "."
    ]
    assert "Received: units=4" in refused([*argv, "4"], capsys)


def test_a_flag_that_depends_on_what_is_searched_is_taken(alone, capsys):
    (alone / "space.yaml").write_text("bottleneck: [none, vae]\n")
    argv = ["tune", "--data", "r", "--out", "o", "--kl-weight", "1"]
    assert "kl_weight=1.0 (bottleneck='none')" in refused(argv, capsys)
    assert said([*argv, "--space", "space.yaml"], capsys) == []


@pytest.mark.parametrize("metric", ["mae", "acc2_non0"])
def test_the_metric_of_a_search_may_have_the_name_of_its_flag_in_earlier_versions(alone, capsys, metric):
    (note,) = said(["tune", "--data", "r", "--out", "o", "--objective", metric], capsys)
    assert note.startswith(f"mmtrans: Note: --objective {metric} is --metric {metric} now;")


def test_the_objective_of_a_search_is_the_field(alone, capsys):
    argv = ["tune", "--data", "r", "--out", "o", "--objective", "joint", "--metric", "pearson"]
    assert said(argv, capsys) == []
    (alone / "space.yaml").write_text("translation_weight: [0.5, 1]\n")
    assert said([*argv, "--space", "space.yaml"], capsys) == []
    message = refused([*argv[:5], "--space", "space.yaml"], capsys)
    assert "translation_weight (objective='sequential')" in message


def test_print_config_shows_what_has_no_effect(alone, capsys):
    assert main(["train", "--recipe", "T", "--units", "3", "--print-config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["units"] == 3
