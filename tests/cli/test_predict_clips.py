"""From clips to scores: extract, convert, train, and predict of another clip."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.clip import predict_clip, settings_of
from mmtrans.clips.models import ALIGNER, check_models
from mmtrans.clips.settings import ExtractSettings
from mmtrans.text import predict_text
from tests.cli.spoken import make_spoken
from tests.clips.signals import SPEECH, chirp, noise, write_wav
from tests.clips.test_recognise import MODEL, needs_model
from tests.words.tiny import make_tiny_encoder
from tfrecords.manifest import Manifest

pytest.importorskip("av")
pytest.importorskip("pocketsphinx")

#: Settings other than the usual ones.
FLAGS = ["--normalise", "speaker", "--segment-seconds", "15"]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of eight short clips with labels, whose words have vectors of a tiny encoder."""
    folder = tmp_path_factory.mktemp("clips")
    rows = ["file,id,label,split,transcript"]
    for number in range(8):
        mood = "good" if number % 2 else "bad"
        sound = chirp(100 + 10 * number, 150 + 10 * number, 1.0) + noise(1.0, 0.01, number)
        write_wav(folder / "clips" / f"{number}.wav", sound)
        words = [{"word": word, "start": at, "end": at + 0.2} for word, at in [("a", 0.1), (mood, 0.4), ("movie", 0.7)]]
        (folder / "clips" / f"{number}.json").write_text(json.dumps(words))
        rows.append(f"{number}.wav,v{number}[0],{2 * (number % 2) - 1},{'valid' if number > 5 else 'train'},")
    (folder / "clips" / "clips.csv").write_text("\n".join(rows))
    assert main(["extract", str(folder / "clips"), str(folder / "corpus"), *FLAGS]) == 0
    encoder = make_tiny_encoder(folder / "encoder")
    text = ["--text-encoder", str(encoder), "--text-cache", "off"]
    assert main(["convert", str(folder / "corpus"), str(folder / "records"), *text]) == 0
    return folder / "records"


@pytest.fixture(scope="module")
def run(records, flags, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    assert main(["train", "--data", str(records), "--recipe", "T->A", "--run", str(path), *flags]) == 0
    return path


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_records_tell_how_clips_were_extracted(records):
    extraction = Manifest.load(records).extraction
    assert extraction["settings"] == ExtractSettings(normalise="speaker", segment_seconds=15).to_json()
    assert extraction["packages"].keys() == {"av", "numpy", "scipy"}


@pytest.mark.slow
def test_a_clip_has_a_score_as_its_corpus_has(run, tmp_path, capsys):
    assert main(["predict", str(run), str(SPEECH / "loved.ogg"), "--out", str(tmp_path / "clip.csv")]) == 0
    (row,) = rows_of(tmp_path / "clip.csv")
    assert list(row) == ["id", "score", "polarity", "words", "attention", "start", "end"]
    assert row["id"] == "loved[0]"
    assert row["words"].startswith("I really loved this movie")
    assert (float(row["start"]), float(row["end"])) == (0.0, pytest.approx(6.08))
    assert main(["extract", str(SPEECH / "loved.ogg"), str(tmp_path / "corpus"), *FLAGS]) == 0
    assert main(["predict", str(run), str(tmp_path / "corpus"), "--out", str(tmp_path / "corpus.csv")]) == 0
    (same,) = rows_of(tmp_path / "corpus.csv")
    assert {**same, "start": row["start"], "end": row["end"]} == row
    # A folder, as JSON; nothing stays of it.
    capsys.readouterr()
    assert main(["predict", str(run), str(SPEECH), "--out", str(tmp_path / "all.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["id"], line["start"]) for line in lines] == [("bored[0]", 0.0), ("loved[0]", 0.0)]
    assert lines[1]["score"] == pytest.approx(float(row["score"]), rel=1e-6)
    assert "measured with" not in capsys.readouterr().err
    (spoken,) = predict_clip(run, SPEECH / "loved.ogg")
    assert (spoken.id, spoken.start, spoken.end) == ("loved[0]", 0.0, pytest.approx(6.08))
    assert spoken.score == pytest.approx(float(row["score"]), rel=1e-6)
    assert " ".join(spoken.words) == row["words"]


@pytest.mark.slow
def test_words_that_had_their_vectors_of_a_file_alone_have_them_of_it_again(tmp_path):
    spoken = make_spoken(tmp_path / "spoken", with_encoder=False)
    (by_api,) = predict_clip(spoken.run, SPEECH / "loved.ogg", glove=spoken.glove)
    flags = ["--glove", str(spoken.glove), "--out", str(tmp_path / "rows.csv")]
    assert main(["predict", str(spoken.run), str(SPEECH / "loved.ogg"), *flags]) == 0
    (row,) = rows_of(tmp_path / "rows.csv")
    (by_text,) = predict_text(spoken.run, [" ".join(by_api.words)], glove=spoken.glove)
    assert by_api.score == pytest.approx(by_text.score, rel=1e-6)
    assert float(row["score"]) == pytest.approx(by_text.score, rel=1e-6)


@pytest.mark.slow
def test_the_course_of_clips_is_drawn(run, tmp_path, capsys):
    plot, out = tmp_path / "course.svg", str(tmp_path / "rows.csv")
    assert main(["predict", str(run), str(SPEECH), "--plot", str(plot), "--out", out]) == 0
    assert all(f"<!-- {name} -->" in plot.read_text() for name in ("bored", "loved"))
    for flags, match in (
        ([str(SPEECH), "--plot", "course.txt"], "The plot is an image. Expected --plot FILE.png"),
        (["--text", "good", "--plot", "course.png"], "Only of clips is it known when each segment is spoken."),
    ):
        assert main(["predict", str(run), *flags]) == 2
        assert match in capsys.readouterr().err


@pytest.mark.slow
def test_an_export_tells_how_its_clips_are_measured(run, tmp_path):
    exported = tmp_path / "exported"
    assert main(["export", str(run), str(exported)]) == 0
    extraction = json.loads((exported / "signature.json").read_text(encoding="utf-8"))["extraction"]
    assert extraction["settings"] == ExtractSettings(normalise="speaker", segment_seconds=15).to_json()
    card = (exported / "model_card.md").read_text(encoding="utf-8")
    assert "- `normalise`: speaker\n" in card
    (by_run,) = predict_clip(run, SPEECH / "loved.ogg")
    (by_export,) = predict_clip(exported, SPEECH / "loved.ogg")
    assert by_export.score == pytest.approx(by_run.score, rel=1e-5)
    assert (by_export.start, by_export.end, by_export.words) == (by_run.start, by_run.end, by_run.words)


@needs_model
@pytest.mark.slow
def test_a_clip_without_words_is_recognised(run, tmp_path):
    clip = tmp_path / "talk.ogg"
    clip.write_bytes((SPEECH / "loved.ogg").read_bytes())
    with pytest.raises(ValueError, match="no word is spoken in it"):
        predict_clip(run, clip)
    (spoken,) = predict_clip(run, clip, asr_model=MODEL)
    assert len({word.lower() for word in spoken.words} & {"i", "really", "loved", "this", "movie"}) > 2
    assert main(["predict", str(run), str(clip), "--asr-model", MODEL, "--out", str(tmp_path / "rows.csv")]) == 0
    (row,) = rows_of(tmp_path / "rows.csv")
    assert (row["words"], float(row["score"])) == (" ".join(spoken.words), pytest.approx(spoken.score, rel=1e-6))


@pytest.mark.slow
def test_another_model_file_is_refused(run, capsys):
    environment = run / "environment.json"
    whole = environment.read_bytes()
    content = json.loads(whole)
    content["data"]["extraction"]["models"] = {ALIGNER: "0" * 64}
    environment.write_text(json.dumps(content), encoding="utf-8")
    try:
        assert main(["predict", str(run), str(SPEECH)]) == 2
    finally:
        environment.write_bytes(whole)
    error = capsys.readouterr().err
    assert "measured with another model than those before. Expected files of the same sha256." in error
    assert "Received: aligner=" in error
    assert " after 000000000000 (" in error


def test_models_that_only_one_side_names_are_not_compared():
    check_models({}, {"aligner": "a"}, "run")
    check_models({"aligner": "a", "face": "b"}, {"aligner": "a"}, "run")


@pytest.mark.slow
def test_other_versions_are_noted_and_clips_that_cannot_be_are_named(run, tmp_path, capsys):
    environment = run / "environment.json"
    content = json.loads(environment.read_text(encoding="utf-8"))
    # What is not used here is not compared: no word is aligned.
    content["data"]["extraction"]["packages"] |= {"av": "1.2.3", "opensmile": "1.2.3", "pocketsphinx": "1.2.3"}
    whole = environment.read_bytes()
    environment.write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "clips").mkdir()
    write_wav(tmp_path / "clips" / "mute.wav", np.zeros(8000))
    (tmp_path / "clips" / "no.mp4").write_text("x")
    try:
        assert main(["predict", str(run), str(tmp_path / "clips")]) == 2
    finally:
        environment.write_bytes(whole)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "mmtrans: Note: The clips that the model learned from were measured with av 1.2.3."
    assert last.startswith("mmtrans: Of the clips no segment is left. ")


def test_a_model_of_other_columns_reads_no_clips():
    scorer = SimpleNamespace(extraction=None, modalities={"text": {}, "audio": {}}, name="run")
    with pytest.raises(ValueError, match=r"^The model has not learned from clips\. .*a model of other text and audio"):
        settings_of(scorer)
    scorer.modalities = {"text": {}}
    assert settings_of(scorer) == ExtractSettings(face_fps=0)


@pytest.mark.parametrize("settings", [{"steps": "words", "face": 3}, {"segment_seconds": "x"}, {"steps": None}])
def test_settings_of_another_version_are_one_sentence(settings):
    with pytest.raises(ValueError, match=r"^The settings of the clips are not understood\. Expected steps, normalise"):
        ExtractSettings.of(settings)
