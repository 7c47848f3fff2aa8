import json
import os
import pickle
import re
import shutil

import h5py
import pytest

from mmtrans.cli.main import main
from mmtrans.sources.open import FORMATS
from tests.sources import format_files

COVAREP = "CMU_MOSI_COVAREP.csd"


def refused(argv, capsys):
    """The one line on stderr of a command that exits with 2."""
    assert main([str(argument) for argument in argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("mmtrans: ")
    return captured.err


@pytest.fixture
def corpus(corpus_dir, tmp_path):
    """A copy of the corpus, to be damaged; files that a test does not touch are links."""
    path = tmp_path / "corpus"
    shutil.copytree(corpus_dir, path, copy_function=os.symlink)
    return path


def replace_by_copy(path):
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    return data


def test_it_converts_and_tells_what_it_did(corpus_dir, tmp_path, capsys):
    records = tmp_path / "records"
    assert main(["convert", str(corpus_dir), str(records), "--max-steps", "9", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert {name: split["videos"] for name, split in result["splits"].items()} == {"train": 4, "valid": 1, "test": 1}
    assert result["max_steps"] == {"aligned": 9}
    text = "\n".join(lines)
    assert f"Truncated to 9 steps (aligned): segments: {result['truncated']['aligned']}" in text
    assert "Modalities: text 300, audio 74, video 47" in text
    assert (records / "manifest.json").is_file()


def test_records_are_replaced_only_when_asked(corpus_dir, small_dir, tmp_path, capsys):
    records = tmp_path / "records"
    shutil.copytree(small_dir, records)
    before = (records / "manifest.json").read_bytes()
    assert "--overwrite" in refused(["convert", corpus_dir, records], capsys)
    assert (records / "manifest.json").read_bytes() == before
    assert main(["convert", str(corpus_dir), str(records), "--overwrite"]) == 0
    assert (records / "manifest.json").read_bytes() != before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--format", "wav"], "Unknown source format. Expected one of"),
        (["--folds", "nowhere.json"], "There is no folds file at nowhere.json. Expected JSON or CSV. Check the name."),
        (["--max-steps", "many"], "--max-steps is not understood."),
        (["--label", "anger"], "There is no such label column."),
        (["--glove", "nowhere.txt"], "There is no file of word vectors at nowhere.txt."),
    ],
)
def test_bad_arguments_leave_nothing(corpus_dir, tmp_path, capsys, argv, message):
    assert message in refused(["convert", corpus_dir, tmp_path / "records", *argv], capsys)
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    out = capsys.readouterr().out.rsplit("--format NAME", 1)[1].split("--max-steps", 1)[0]
    assert {"auto", *(format.name for format in FORMATS)} <= set(re.findall(r"[a-z0-9]+", out))


def test_a_missing_source(tmp_path, capsys):
    assert "There is no source at" in refused(["convert", tmp_path / "nowhere", tmp_path / "records"], capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_no_known_format(tmp_path, capsys):
    (tmp_path / "notes.bin").write_bytes(b"junk")
    assert "The source has no known format." in refused(["convert", tmp_path / "notes.bin", tmp_path / "r"], capsys)


def test_a_truncated_file_is_named(corpus, tmp_path, capsys):
    data = replace_by_copy(corpus / COVAREP)
    (corpus / COVAREP).write_bytes(data[: len(data) // 2])
    message = refused(["convert", corpus, tmp_path / "records"], capsys)
    assert COVAREP in message
    assert "truncated" in message
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus"]


def test_a_video_of_another_width_loses_that_modality(corpus, tmp_path, capsys):
    replace_by_copy(corpus / COVAREP)
    with h5py.File(corpus / COVAREP, "r+") as file:
        data = file["COAVAREP/data"]
        video = sorted(data)[-1]
        narrow = data[video]["features"][:, :-1]
        del data[video]["features"]
        data[video]["features"] = narrow
    assert main(["convert", str(corpus), str(tmp_path / "records"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["cleaning"]["audio: entries with other columns than most, left out"] == 1
    assert result["modalities"]["audio"]["dim"] == 74


def test_a_hostile_pickle_is_named_and_not_run(tmp_path, capsys):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    (tmp_path / "features.pkl").write_bytes(pickle.dumps(Hostile()))
    message = refused(["convert", tmp_path / "features.pkl", tmp_path / "records"], capsys)
    assert f"Received: {os.system.__module__}.system (" in message
    assert [entry.name for entry in tmp_path.iterdir()] == ["features.pkl"]


def test_words_without_vectors_give_a_recipe_with_text_its_remedy(corpus, baseline_flags, tmp_path, capsys):
    (corpus / "CMU_MOSI_TimestampedWordVectors.csd").unlink()
    assert main(["convert", str(corpus), str(tmp_path / "records")]) == 0
    assert "Modalities: audio 74, video 47" in capsys.readouterr().out
    for recipe in ("T", "A->T", "embed(A,V)->T"):
        argv = ["train", "--data", tmp_path / "records", "--recipe", recipe, "--run", tmp_path / "run", *baseline_flags]
        message = refused(argv, capsys)
        assert "The records have no text." in message
        assert "--glove FILE" in message
    assert not (tmp_path / "run").exists()


def test_the_stated_range_may_begin_with_a_minus_sign(tmp_path, capsys):
    source = format_files.neutral(tmp_path / "source")
    for number, (flags, label) in enumerate(
        {
            ("--label-range", "-2,2.5"): (-2.0, 2.5, 0.0),
            ("--label-range=-4,4,.5",): (-4.0, 4.0, 0.5),
            ("--label-range", "-.5,9"): (-0.5, 9.0, 0.0),
        }.items()
    ):
        assert main(["convert", str(source), str(tmp_path / str(number)), *flags, "--json"]) == 0
        found = json.loads(capsys.readouterr().out.splitlines()[-1])["label"]
        assert (found["low"], found["high"], found["neutral"]) == label
    assert "label_range=5.0, 1.0" in refused(["convert", source, tmp_path / "r", "--label-range", "5,1"], capsys)
    assert not (tmp_path / "r").exists()


def test_a_shift_that_is_no_number_is_refused(corpus_dir, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["convert", str(corpus_dir), str(tmp_path / "r"), "--label-shift", "1_0"])
    assert "--label-shift: invalid float value: '1_0'" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--jobs", "2"], ["--workers", "2"], ["--scheduler", "tcp://127.0.0.1:9"]])
def test_a_format_that_is_read_in_one_go_is_converted_here(flags, tmp_path, capsys):
    source = format_files.neutral(tmp_path / "source")
    assert main(["convert", str(source), str(tmp_path / "records"), *flags]) == 0
    notes = ["Note: --workers is now called --jobs."] * (flags[0] == "--workers")
    notes.append("Note: the neutral format is read in one go, by this process.")
    assert capsys.readouterr().err == "".join(f"mmtrans: {note}\n" for note in notes)


@pytest.mark.slow
def test_jobs_convert_as_one_does_and_say_where_the_cluster_is(corpus_dir, tmp_path, capsys):
    shown = []
    for name, flags in (("one", []), ("two", ["--jobs", "2"])):
        assert main(["convert", str(corpus_dir), str(tmp_path / name), *flags]) == 0
        shown.append(capsys.readouterr())
    assert shown[0].out == shown[1].out
    assert shown[1].err.startswith("2 workers. ")
    assert shown[1].err.count("\n") == 1
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_no_scheduler_is_one_sentence(corpus_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://nowhere.invalid:8786")
    assert main(["convert", str(corpus_dir), str(tmp_path / "records")]) == 2
    assert "No scheduler answers. Expected the address of one" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
