"""`mmtrans convert --text-encoder` from the command line to a run that knows its encoder."""

import json

import pytest

from mmtrans.cli.main import main
from mmtrans.runs.environment import text_of
from mmtrans.runs.run import Run
from tests.sources import format_files
from tests.words.tiny import make_tiny_encoder
from tfrecords.manifest import Manifest


@pytest.fixture
def source(tmp_path):
    return format_files.neutral(tmp_path / "source")


@pytest.fixture
def argv(source, tmp_path):
    encoder = make_tiny_encoder(tmp_path / "encoder")
    cache = ["--text-cache", str(tmp_path / "cache")]
    return ["convert", str(source), str(tmp_path / "records"), "--text-encoder", str(encoder), *cache]


def refused(argv, capsys):
    """The one line on stderr of a command that exits with 2."""
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.slow
def test_records_and_runs_tell_their_encoder(argv, baseline_flags, tmp_path, capsys):
    assert main([*argv, "--text-layers", "2,0", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)["text"]
    assert told["layers"] == [2, 0]
    assert "Text: layers 2, 0 of 16 columns each, mean of a word's pieces; encoder" in "\n".join(lines)
    kept = tmp_path / "cache" / "vectors.sqlite3"
    size = f"{kept.stat().st_size / 1e6:.1f} MB"
    assert f"Vectors are kept for the next conversion: {size}. Remove {kept} at any time." in lines
    run = tmp_path / "run"
    assert (
        main(["train", "--data", str(tmp_path / "records"), "--recipe", "T", "--run", str(run), *baseline_flags]) == 0
    )
    capsys.readouterr()
    assert text_of(Run.open(run).data) == Manifest.load(tmp_path / "records").text
    assert json.loads((run / "environment.json").read_text(encoding="utf-8"))["data"]["text"] == told


@pytest.mark.parametrize("layers", ["a", "1,,2", "1,1", "-1", "1.5", "²", "99999"])
def test_layers_that_are_not_understood(layers, argv, tmp_path, capsys):
    message = refused([*argv, f"--text-layers={layers}"], capsys)
    assert "--text-layers is not understood. Expected whole numbers from 0, each once" in message
    assert f"text_layers='{layers}'" in message
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize("flags", [["--text-layers", "1"], ["--text-cache", "off"], ["--text-pieces"]])
def test_flags_of_no_encoder(flags, source, tmp_path, capsys):
    message = refused(["convert", str(source), str(tmp_path / "records"), *flags], capsys)
    assert f"There is no text encoder. Expected --text-encoder NAME beside {flags[0]}." in message


def test_numbers_of_pieces_are_not_stored_in_float16(argv, tmp_path, capsys):
    message = refused([*argv, "--text-pieces", "--text-dtype", "float16"], capsys)
    assert "Text cannot be stored in this type. Expected one of ['float32', 'float16'], and float32 with" in message
    assert not (tmp_path / "records").exists()


def test_records_tell_that_text_is_in_float16(argv, tmp_path, capsys):
    assert main([*argv, "--text-dtype", "float16", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["modalities"]["text"]["dtype"] == "float16"
    assert any(line.startswith("Modalities: text 32 in float16") for line in lines)
    assert main(["inspect", str(tmp_path / "records"), "--verify"]) == 0


def test_an_encoder_that_is_not_there(argv, tmp_path, capsys):
    argv[argv.index("--text-encoder") + 1] = "nowhere"
    assert "There is no text encoder of this name." in refused(argv, capsys)
    assert not (tmp_path / "records").exists()


def test_trouble_with_the_cache_is_a_note_and_changes_nothing(argv, tmp_path, capsys):
    assert main([*argv[:-1], "off"]) == 0
    assert "Vectors are kept" not in capsys.readouterr().out
    before = {path.name: path.read_bytes() for path in (tmp_path / "records").iterdir()}
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "vectors.sqlite3").write_bytes(b"damage" * 1000)
    capsys.readouterr()
    assert main([*argv, "--overwrite"]) == 0
    assert "mmtrans: Note: The cache of vectors was damaged, and begins anew" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "records").iterdir()} == before
