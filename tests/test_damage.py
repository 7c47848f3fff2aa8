"""Whatever a file of ours holds, the command that reads it works, or ends with one sentence that names the file.

The files are those of `earlier/`. What costs time and reads no file (models, resampling, plots) is left out.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.cli.main import main
from mmtrans.evaluation.predictions import Predictions
from mmtrans.evaluation.results import save_results
from mmtrans.evaluation.shapes import Shown, read_splits
from mmtrans.inference.card import model_card
from mmtrans.inference.signature import load_signature
from tests.earlier import EARLIER
from tfrecords.directories import remove

#: In place of any value of JSON.
OTHERS = (None, True, 10**34, "text", [], {})


def places(content, place=()):
    """Where values are in JSON: every key, and the first item of every list."""
    items = content.items() if isinstance(content, dict) else enumerate(content[:1])
    for key, value in items:
        yield (*place, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*place, key))


def changed(content, place, change):
    """A copy of JSON in which `change(parent, key)` was done at a place."""
    content = json.loads(json.dumps(content))
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    change(parent, place[-1])
    return json.dumps(content).encode()


def damaged_text(whole):
    """What may become of any text file."""
    yield from (b"", b"\xff\xfe", b"\0" * 40, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    yield from (whole[: len(whole) // 2], whole[:-2])
    yield from (b"[" * 3000 + b"]" * 3000, b'{"a": ' * 3000 + b"1" + b"}" * 3000, b"9" * 35, b"9" * 5000, b"[]", b"{}")


def damaged_json(whole):
    """What may become of a JSON file: every key gone, and every value one of another type."""
    yield from damaged_text(whole)
    content = json.loads(whole)
    for place in places(content):
        yield changed(content, place, lambda parent, key: parent.pop(key))
        value = content
        for key in place:
            value = value[key]
        for other in OTHERS:
            if type(other) is not type(value) or other == 10**34:
                yield changed(content, place, lambda parent, key, other=other: parent.__setitem__(key, other))


def damaged_npz(whole):
    """What may become of an archive."""
    yield from (b"", whole[: len(whole) // 2], whole[:-1], b"PK\x05\x06" + b"\0" * 18)
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        yield whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]


def damaged_csv(whole):
    """What may become of a table: every cell of the first row."""
    yield from damaged_text(whole)
    header, first, *rest = whole.split(b"\n")
    yield b"\n".join([header.replace(b",", b";"), first, *rest])
    cells = first.split(b",")
    for column in range(len(cells)):
        for cell in (b"", b"9" * 35, b"text", b"nan", b'"', b"[" * 3000):
            yield b"\n".join([header, b",".join([*cells[:column], cell, *cells[column + 1 :]]), *rest])


#: What may stand in the place of a file. A pipe is to be waited for by nobody.
NO_FILES = (os.mkfifo, os.mkdir, lambda path: path.symlink_to("nothing"))

DAMAGES = {".json": damaged_json, ".npz": damaged_npz, ".csv": damaged_csv, ".yaml": damaged_text}


def without_notes(error):
    """The lines on stderr that tell of the damage."""
    return [line for line in error.splitlines() if not line.startswith("mmtrans: Note: ")]


def _sentences(err):
    """The lines of stderr that are no notes."""
    return [line for line in err.splitlines() if not line.startswith("mmtrans: Note: ")]


def check_every_damage(argv, path, root, capsys, most=300):
    """Runs a command on damages of a file of `root`: on all, or on so many that are spread over all of them."""
    whole = path.read_bytes()
    refused = 0
    contents = list(DAMAGES[path.suffix](whole))
    chosen = sorted({round(place) for place in np.linspace(0, len(contents) - 1, min(most, len(contents)))})
    for content in (contents[place] for place in chosen):
        path.write_bytes(content)
        code = main(argv)
        captured = capsys.readouterr()
        assert code in (0, 2), content[:200]
        if code:
            refused += 1
            assert len(without_notes(captured.err)) == 1, (content[:200], captured.err)
            assert path.name in captured.err or str(root) in captured.err, (content[:200], captured.err)
            assert len(captured.err) < 2500, content[:200]
    for make in NO_FILES:
        path.unlink()
        make(path)
        code = main(argv)
        lines = without_notes(capsys.readouterr().err)
        # What is not needed may lack.
        assert (code, len(lines)) == (2, 1) or code == 0, (make, lines)
        remove(path)
        path.write_bytes(whole)
    assert refused > 3
    assert main(argv) == 0


def test_records(tmp_path, capsys):
    records = shutil.copytree(EARLIER / "records-aligned", tmp_path / "records")
    check_every_damage(["inspect", str(records)], records / "manifest.json", records, capsys)


FILES = ("config.yaml", "environment.json", "statistics.npz", "phases/*/phase.json", "phases/*/best/weights.npz")


def zeros_of(length, **features):
    """A model that gives every segment a score of zero."""
    steps = next(iter(features.values())).shape[1]
    return {"score": tf.zeros(len(length)), "attention_weights": tf.zeros((len(length), steps))}


@pytest.fixture
def predicting(monkeypatch):
    """Predictions without a model: its weights are read, and zeros come back."""
    from mmtrans.runs.weights import read_weights

    def stand_in(run):
        assert run.statistics.mean
        run.load_codebook(run.phases[0])
        for phase in run.phases:
            read_weights(run.weights_path(phase))

        return zeros_of, None

    monkeypatch.setattr("mmtrans.inference.scorer.open_sentiment", stand_in)


@pytest.mark.parametrize("file", [*FILES, "phases/*/codebook.npz"])
def test_a_run(file, tmp_path, capsys, predicting):
    run = shutil.copytree(EARLIER / "runs" / "unaligned-tokens", tmp_path / "run")
    argv = ["predict", str(run), str(EARLIER / "corpus-unaligned"), "--out", str(tmp_path / "out.csv")]
    for path in sorted(run.glob(file)):
        check_every_damage(argv, path, run, capsys, most=100)


@pytest.fixture
def reporting(monkeypatch):
    """Reports of a grid that is read, and of what is computed from it when it is whole."""
    import mmtrans.report.compare as compare
    import mmtrans.report.render as render
    from mmtrans.report.collect import collect

    grid = collect(EARLIER / "grid")
    results = compare.compute(grid, draws=50)
    report = render.make_report(grid, results)
    monkeypatch.setattr(compare, "compute", lambda grid: results)
    monkeypatch.setattr(render, "make_report", lambda *_: report)


REPORTED = ("config.yaml", "environment.json", "metrics.json", "predictions.csv")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("file", ["grid.json", "failures.json", *(f"runs/T_to_A-seed-0/{name}" for name in REPORTED)])
def test_a_grid(file, tmp_path, capsys, reporting):
    grid = shutil.copytree(EARLIER / "grid", tmp_path / "grid")
    if file == "failures.json":
        (grid / file).write_text('{"T-seed-1": {"reason": "It broke.", "log": "logs/T.log"}}')
    check_every_damage(["report", str(grid)], grid / file, grid, capsys, most=50)


#: Those of the earlier search.
SEARCH = ["--recipe", "T", "--units", "3", "--regressor-units", "5", "--no-bidirectional", "--epochs", "2", "--quiet"]


@pytest.mark.slow
def test_a_card_tells_of_collapse_and_of_intervals():
    description = load_signature(EARLIER / "export")
    split = dict(read_splits(EARLIER / "runs" / "aligned" / "metrics.json", Shown)["valid"])
    wide = {name: 0.5 for name in split if name.endswith(("_low", "_high"))}
    card = model_card({**description, "metrics": {"valid": {**split, **wide, "collapsed": True}}})
    assert "**Collapsed on valid**" in card
    assert "Intervals above are 95 % over videos" in card
    card = model_card({**description, "metrics": {"valid": {**split, **dict.fromkeys(wide), "collapsed": False}}})
    assert "Collapsed" not in card
    assert "Intervals above" not in card
    assert "too few to tell by how much" in card


@pytest.mark.parametrize(
    "file", ["search.json", "trials/0001/trial.json", "tuner/oracle.json", "tuner/trial_1/trial.json"]
)
def test_a_search(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mmtrans.search.complete.plot_parameters", lambda search, trials: None)
    # Nothing is left to train, unless a damage has it so.
    monkeypatch.setattr("mmtrans.search.tuner.Tuner.run_trial", lambda self, trial: {"mae": 1.0})
    search = shutil.copytree(EARLIER / "search", tmp_path / "search")
    argv = ["tune", "--data", str(EARLIER / "records-aligned"), "--out", str(search), "--trials", "2", *SEARCH]
    check_every_damage(argv, search / file, search, capsys, most=30)


def test_an_export(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mmtrans.inference.scorer.open_export", lambda path: (load_signature(path), zeros_of, None))
    export = shutil.copytree(EARLIER / "export", tmp_path / "export")
    argv = ["predict", str(export), str(EARLIER / "corpus-unaligned"), "--out", str(tmp_path / "out.csv")]
    check_every_damage(argv, export / "signature.json", export, capsys, most=100)


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv"])
def test_results_that_are_added_to(name, tmp_path):
    run = shutil.copytree(EARLIER / "runs" / "baseline", tmp_path / "run")
    predictions = Predictions(["a[0]"], ["a"], [()], np.zeros(1), np.zeros(1), {})
    whole = (run / name).read_bytes()
    refused = []
    for content in list(DAMAGES[(run / name).suffix](whole))[::3]:
        (run / name).write_bytes(content)
        try:
            save_results(run, "valid", predictions, {"mae": 0.0})
        except ValueError as error:
            refused.append(str(error))
        else:
            content = (run / name).read_bytes()
        # What is refused is left as it is, for whoever knows better.
        assert (run / name).read_bytes() == content
    assert len(refused) > 5
    assert all(name in text for text in refused)


def test_results_that_are_exported(tmp_path):
    """A card is made of whatever is accepted."""
    path = Path(shutil.copy(EARLIER / "runs" / "aligned" / "metrics.json", tmp_path))
    description = load_signature(EARLIER / "export")
    refused = 0
    for content in list(damaged_json(path.read_bytes()))[::3]:
        path.write_bytes(content)
        try:
            splits = read_splits(path, Shown)
        except ValueError:
            refused += 1
            continue
        assert "How well it does" in model_card({**description, "metrics": splits})
    assert refused > 50


@pytest.mark.parametrize(
    ("argv", "whole"),
    [
        (["train", "--print-config", "--config"], b"recipe: T->A\nunits: 3\ncell: gru\nlearning_rate: 1e-3\n"),
        (["tune", "--print-space", "--space"], b"units: {low: 2, high: 8}\ncell: [lstm, gru]\ndropout: 0.5\n"),
        (["grid", "--data", "nowhere", "--out", "o", "--variants"], b"small: {units: 3}\nlarge: {units: 30}\n"),
        (["grid", "--data", "nowhere", "--out", "o", "--recipes"], b"T\n# a comment\nT->A\n"),
    ],
)
def test_files_of_a_command_line(argv, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "given.txt"
    for content in (*damaged_text(whole), *(whole.replace(b"3", b"9" * 35), b"a: {b: [1, {c: 2}]}\n", b"x" * 5000)):
        path.write_bytes(content)
        code = main([*argv, str(path)])
        error = capsys.readouterr().err
        assert code in (0, 2)
        assert code == 0 or error.count("\n") == 1
        assert code == 0 or "given.txt" in error or "records='nowhere'" in error, (content[:100], error)
    assert [entry.name for entry in tmp_path.iterdir()] == ["given.txt"]
