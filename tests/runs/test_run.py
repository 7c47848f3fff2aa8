import json
import re

import numpy as np
import pytest
import yaml

from mmtrans.config import Config
from mmtrans.config.files import load_yaml
from mmtrans.data.records import Records
from mmtrans.recipe import modalities_of, parse
from mmtrans.runs.phases import phases_of
from mmtrans.runs.place import check_unchanged
from mmtrans.runs.run import Run
from mmtrans.system.files import write_atomically


def keys(**fields):
    return [phase.key for phase in phases_of(Config(**fields), "0" * 64)]


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ("concat(T,V)", ["1-sentiment-concat_T_V"]),
        ("T->A", ["1-translation-T_to_A", "2-sentiment-T_to_A"]),
        ("embed(T,A)->V", ["1-translation-T_to_A", "2-translation-embed_T_A_to_V", "3-sentiment-embed_T_A_to_V"]),
    ],
)
def test_phases_go_from_the_innermost_translation_to_the_regressor(recipe, names):
    phases = phases_of(Config(recipe=recipe), "0" * 64)
    assert [phase.name for phase in phases] == names
    assert [phase.parent for phase in phases] == [None, *phases[:-1]]
    assert [phase.title for phase in phases][-1] == f"sentiment {recipe}"


def test_a_joint_phase_takes_the_place_of_the_last_translation_and_the_regressor():
    phases = phases_of(Config(recipe="embed(T,A)->V", objective="joint"), "0" * 64)
    assert [phase.name for phase in phases] == ["1-translation-T_to_A", "2-joint-embed_T_A_to_V"]
    assert [(phase.translates, phase.scores) for phase in phases] == [(True, False), (True, True)]
    assert phases[0].key == keys(recipe="T->A")[0]
    joint = keys(objective="joint")
    for field in ("units", "decoder_units", "regressor_units", "joint_warmup_steps", "translation_weight"):
        assert keys(objective="joint", **{field: 7}) != joint, field
    assert keys(recipe="T", objective="joint", sentiment_weight=7.0) == keys(recipe="T")
    assert keys(sentiment_weight=7.0) == keys()


def test_a_key_changes_with_what_the_phase_reads_and_nothing_else():
    base = keys()
    assert keys(epochs=7) == base
    assert keys(units=7)[0] != base[0]
    assert keys(seed=7)[0] != base[0]
    translation, sentiment = keys(regressor_units=7)
    assert translation == base[0]
    assert sentiment != base[1]
    translation, sentiment = keys(attention_units=7)  # only the translation reads it, but its child inherits
    assert translation != base[0]
    assert sentiment != base[1]
    assert keys(recipe="embed(T,A)->V")[0] == base[0]
    assert phases_of(Config(), "1" * 64)[0].key != base[0]


def test_modalities_are_named_once_each():
    assert modalities_of(parse("concat(T,V)->concat(T,A)")) == ("text", "video", "audio")
    assert modalities_of(parse("embed(T,A)->V")) == ("text", "audio", "video")


def test_a_new_run_holds_configuration_statistics_and_environment(tiny, small, tmp_path):
    config = tiny(recipe="T->A")
    run = Run.open_or_create(tmp_path / "deep" / "run", config, small)
    names = ["config.yaml", "environment.json", "segments.json", "statistics.npz"]
    assert sorted(entry.name for entry in run.path.iterdir()) == names
    assert yaml.safe_load((run.path / "config.yaml").read_text()) == config.to_sections()
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["manifest_hash"] == small.manifest.manifest_hash
    assert environment["records"] == str(small.directory.resolve())
    assert environment["seed"] == config.plan.seed
    assert {"tensorflow", "keras", "numpy", "python", "mmtrans", "git_commit", "devices"} <= set(environment)
    assert sorted(run.statistics.mean) == ["audio", "text"]
    np.testing.assert_array_equal(run.statistics.std["audio"], small.statistics("audio")[1])

    opened = Run.open(run.path)
    assert (opened.config, opened.manifest_hash, opened.phases) == (config, run.manifest_hash, run.phases)


def test_no_run_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"No run there.*config\.yaml.*run={re.escape(str(tmp_path))}"):
        Run.open(tmp_path)


def test_a_changed_configuration_names_its_fields(tiny, small, tmp_path):
    Run.open_or_create(tmp_path / "run", tiny(), small)
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(
        ValueError, match=r"another configuration.*Received: seed: 0 → 3, units: 4 → 9 \(.*another directory"
    ):
        Run.open_or_create(tmp_path / "run", tiny(units=9, seed=3), small)
    with pytest.raises(ValueError, match=r"--epochs may only grow\. Expected at least 2\. Received: epochs=1"):
        Run.open_or_create(tmp_path / "run", tiny(epochs=1), small)
    assert (tmp_path / "run" / "config.yaml").read_text() == before
    assert Run.open_or_create(tmp_path / "run", tiny(epochs=5), small).config.optimisation.epochs == 5
    assert Run.open(tmp_path / "run").config.optimisation.epochs == 5


def test_a_configuration_that_has_lost_fields_is_damage(tiny, small, tmp_path):
    """Also where their defaults are other values than the run's, and where they may grow."""
    run = Run.open_or_create(tmp_path / "run", tiny(epochs=5), small)
    path, environment = run.path / "config.yaml", run.path / "environment.json"
    lines = path.read_text().splitlines(keepends=True)
    assert "config_digest" in json.loads(environment.read_text())
    for number in range(len(lines)):
        path.write_text("".join(lines[:number]) or "{}\n")
        if Config(**load_yaml(path)) != run.config:
            with pytest.raises(
                ValueError, match=r"^A file is damaged\. .*Received: a file without .*config\.yaml\)\. Copy"
            ):
                Run.open(run.path)
    path.write_text("".join(line for line in lines if line.strip().partition(":")[0] != "epochs"))
    with pytest.raises(ValueError, match=r"Received: a file without epochs "):
        Run.open(run.path)
    path.write_text("".join(lines).replace("batch_size: ", "batch_size: 1"))
    with pytest.raises(ValueError, match=r"Expected the fields that the run was made with\. Received: other values"):
        Run.open(run.path)
    # Earlier runs do not tell.
    told = json.loads(environment.read_text())
    environment.write_text(json.dumps({name: value for name, value in told.items() if name != "config_digest"}))
    assert Run.open(run.path).config != run.config


def test_other_records_are_refused(tiny, small, records_dir, tmp_path):
    Run.open_or_create(tmp_path / "run", tiny(), small)
    with pytest.raises(ValueError, match=rf"other records\. Expected manifest {small.manifest.manifest_hash[:12]}"):
        Run.open_or_create(tmp_path / "run", tiny(), Records.open(records_dir))


def test_a_directory_of_something_else_is_refused(tiny, small, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    for path in (foreign, foreign / "thesis.txt"):
        with pytest.raises(ValueError, match=rf"No run there, and not empty.*Received: run={re.escape(str(path))}\."):
            Run.open_or_create(path, tiny(), small)
    assert [entry.name for entry in foreign.iterdir()] == ["thesis.txt"]


def test_records_without_what_the_recipe_needs_leave_no_directory(tiny, small, tmp_path):
    with pytest.raises(ValueError, match=r"The records have no video"):
        Run.open_or_create(tmp_path / "run", tiny(recipe="V"), small)
    assert not (tmp_path / "run").exists()


def test_making_a_run_can_be_interrupted_anywhere(tiny, small, tmp_path, monkeypatch):
    def interrupted(config):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mmtrans.runs.run.describe_environment", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Run.open_or_create(tmp_path / "run", tiny(), small)
    assert (tmp_path / "run" / "statistics.npz").is_file()
    assert Run.open_or_create(tmp_path / "run", tiny(units=9), small).config.encoder.units == 9
    assert Run.open(tmp_path / "run").config.encoder.units == 9


def test_untrained_models_are_refused(tiny, small, tmp_path):
    run = Run.open_or_create(tmp_path / "run", tiny(), small)
    assert not run.has_translation
    with pytest.raises(ValueError, match=r"The run translates nothing.*recipe like T->A.*Train a translation"):
        run.load_translator()
    with pytest.raises(FileNotFoundError, match=r"No trained weights.*1-sentiment-T.*Remove the phase"):
        run.load_regressor()


def test_a_text_file_is_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomically(path, "ältere")

    def full(source, target):
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("mmtrans.system.files.os.replace", full)
        with pytest.raises(OSError, match="no space"):
            write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "ältere"
    write_atomically(path, "new")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file.txt", "new")]


def test_a_path_is_the_same_however_it_is_spelled(tmp_path, monkeypatch):
    (tmp_path / "P3").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "P3")
    monkeypatch.chdir(tmp_path)
    made_for = Config(recipe="T->A", init="P3"), "abc"
    for spelled in ("P3", "./P3", "P3/", "../" + tmp_path.name + "/P3", str(tmp_path / "P3"), "link"):
        check_unchanged(tmp_path, made_for, (Config(recipe="T->A", init=spelled), "abc"))
    for other in ("", "P4"):
        with pytest.raises(ValueError, match=rf"another configuration\..*init: 'P3' → '{other}'"):
            check_unchanged(tmp_path, made_for, (Config(recipe="T->A", init=other), "abc"))
    names = {Config(recipe="T->A", init=spelled).digest() for spelled in ("P3", "./P3/", str(tmp_path / "P3"))}
    assert names == {Config(recipe="T->A", init="P3").digest()}
    assert Config(recipe="T->A", init="P4").digest() not in names


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"run_format": 99}, r"made by a later version\. Expected run_format up to 3\. Received: run_format=99"),
        (
            {"run_format": "2"},
            r"Expected a whole number\. Received: run_format='2' .*environment\.json",
        ),
        ({"data": 3}, r"A file is damaged\. Expected a mapping\. Received: data=3 .*environment\.json"),
    ],
)
def test_a_run_that_cannot_be_read_says_why(tiny, small, tmp_path, fields, message):
    run = Run.open_or_create(tmp_path / "run", tiny(), small)
    path = run.path / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    with pytest.raises(ValueError, match=message):
        Run.open(run.path)
