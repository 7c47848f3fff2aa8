"""From films to scores: extract, convert, train, and predict of another film with a run that reads faces."""

import csv
import json

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.clips.face.columns import columns_of
from tests.clips.faces import FACE, astronaut, needs_models, write_film
from tests.clips.signals import SPEECH, chirp
from tests.words.tiny import make_tiny_encoder
from tfrecords.manifest import Manifest

pytest.importorskip("av")
pytest.importorskip("pocketsphinx")

FLAGS = ["--normalise", "speaker", "--face-fps", "5"]


def moving(number):
    """Five pictures of the face, from nearer and nearer."""
    from PIL import Image

    still = Image.fromarray(astronaut())
    for step in range(5):
        left, side = 3 * step + number, 240 - 8 * step
        yield np.asarray(still.resize((160, 160), Image.Resampling.BICUBIC, (left, step, left + side, step + side)))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of five films of a second each, with labels, whose words have vectors of a tiny encoder."""
    folder = tmp_path_factory.mktemp("films")
    rows = ["file,id,label,split"]
    for number in range(5):
        write_film(
            folder / f"clips/{number}.mkv", list(moving(number)), fps=5, sound=chirp(100 + 10 * number, 200, 1.0)
        )
        words = [
            {"word": word, "start": at, "end": at + 0.2} for word, at in [("a", 0.1), ("good", 0.4), ("movie", 0.7)]
        ]
        (folder / f"clips/{number}.json").write_text(json.dumps(words))
        rows.append(f"{number}.mkv,v{number}[0],{number / 4 - 1},{'valid' if number > 3 else 'train'}")
    (folder / "clips/clips.csv").write_text("\n".join(rows))
    assert main(["extract", str(folder / "clips"), str(folder / "corpus"), *FLAGS]) == 0
    text = ["--text-encoder", str(make_tiny_encoder(folder / "encoder")), "--text-cache", "off"]
    assert main(["convert", str(folder / "corpus"), str(folder / "records"), *text]) == 0
    return folder / "records"


def trained(records, recipe, path, flags):
    assert main(["train", "--data", str(records), "--recipe", recipe, "--run", str(path), *flags, "--epochs", "2"]) == 0
    return str(path)


@needs_models
@pytest.mark.slow
def test_a_run_that_reads_faces_scores_a_film(records, flags, tmp_path, capsys):
    manifest = Manifest.load(records)
    assert manifest.modalities["video"].feature_names == columns_of(expressions=False)
    run = trained(records, "V->A", tmp_path / "run", flags)
    assert main(["predict", run, str(FACE / "loved.mp4"), "--out", str(tmp_path / "film.csv")]) == 0
    assert main(["extract", str(FACE / "loved.mp4"), str(tmp_path / "corpus"), *FLAGS]) == 0
    assert main(["predict", run, str(tmp_path / "corpus"), "--out", str(tmp_path / "corpus.csv")]) == 0
    (row,), (same,) = (list(csv.DictReader((tmp_path / name).open())) for name in ("film.csv", "corpus.csv"))
    assert row["words"].startswith("I really loved this movie")
    assert row["score"] == same["score"]
    capsys.readouterr()
    assert main(["predict", run, str(SPEECH / "loved.ogg")]) == 2
    assert "The source lacks what the model reads. Expected video" in capsys.readouterr().err
    environment = tmp_path / "run/environment.json"
    content = json.loads(environment.read_text(encoding="utf-8"))
    content["data"]["extraction"]["models"]["points"] = "0" * 64
    environment.write_text(json.dumps(content), encoding="utf-8")
    assert main(["predict", run, str(FACE / "loved.mp4")]) == 2
    assert "Expected files of the same sha256. Received: points=2efcb4f4de43 after 0000" in capsys.readouterr().err


@needs_models
@pytest.mark.slow
def test_a_run_that_reads_words_alone_looks_at_no_face(records, flags, tmp_path, monkeypatch):
    run = trained(records, "T->V", tmp_path / "run", flags)

    def refuse(*arguments, **named):
        raise AssertionError("a face was looked for")

    monkeypatch.setattr("mmtrans.clips.face.recording.RecordedFace.watch", refuse)
    assert main(["predict", run, str(FACE / "loved.mp4"), "--out", str(tmp_path / "film.csv")]) == 0
    assert len((tmp_path / "film.csv").read_text().splitlines()) == 2
