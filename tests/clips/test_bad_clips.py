"""Clips that cannot be, or are not what they seem: each is counted or left out with its reason; the rest goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmtrans.clips.extract import extract
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.sound.decode import decode_sound
from mmtrans.sources.open import open_corpus
from tests.clips.signals import SPEECH, chirp, noise, tone, write_wav

pytest.importorskip("av")

ROOT = Path(__file__).resolve().parents[2]
FRAMES = ExtractSettings(steps="frames")

#: Put before all of Python's own: it notes every socket, of child processes too, apart from the host's name.
_WATCH = """
import os, sys

def note(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        with open(os.environ["NOTES"], "a") as file:
            file.write(event + "\\n")

sys.addaudithook(note)
"""


def hostile(path, *, rate):
    """Decodes as FFmpeg does that a file has made crash, or that a file makes take all memory."""
    if Path(path).name == "crash.wav":
        os.kill(os.getpid(), signal.SIGSEGV)
    if Path(path).name == "swell.wav":
        np.ones(6 << 30, np.uint8)
    yield from decode_sound(path, rate=rate)


def reasons_of(account):
    return {left["clip"]: left["reason"] for left in account["left_out"]}


def test_what_makes_decoding_crash_or_swell_is_one_clip_that_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("mmtrans.clips.sound.recording.decode_sound", hostile)
    for name in ("crash", "good", "swell"):
        write_wav(tmp_path / "clips" / f"{name}.wav", noise(0.3))
    account = extract(tmp_path / "clips", tmp_path / "corpus", FRAMES).account
    assert account["segments"] == 1
    reasons = reasons_of(account)
    assert "reading it ended with signal SIGSEGV" in reasons["crash.wav"]
    assert "needs more than 4096 MiB of memory" in reasons["swell.wav"]
    # Another time it may go better.
    monkeypatch.undo()
    assert extract(tmp_path / "clips", tmp_path / "corpus", FRAMES).account["segments"] == 3


def test_odd_recordings_are_measured_and_counted(tmp_path):
    clips = tmp_path / "clips"
    write_wav(clips / "telephone.wav", tone(440, 0.5, rate=8000), rate=8000)
    write_wav(clips / "half.wav", chirp(150, 150, 0.5), np.zeros(8000))
    write_wav(clips / "other.wav", chirp(150, 150, 0.5)).rename(clips / "other.mp4")
    whole = write_wav(clips / "cut.wav", chirp(150, 150, 2.0))
    whole.write_bytes(whole.read_bytes()[:20_000])
    (clips / "list.mp3").write_text("#EXTM3U\n#EXTINF:3,\nhalf.wav\n#EXT-X-ENDLIST\n")
    (clips / "concat.wav").write_text("ffconcat version 1.0\nfile half.wav\n")
    account = extract(clips, tmp_path / "corpus", ExtractSettings(steps="frames", face_fps=0.0)).account
    assert {left["clip"] for left in account["left_out"]} == {"list.mp3", "concat.wav"}
    assert all("FFmpeg cannot open it" in reason for reason in reasons_of(account).values())
    assert account["counts"]["dead channels left out"] == 1
    steps = {each.id: each.features["audio"] for each in open_corpus(tmp_path / "corpus").read()}
    assert {id: len(array) for id, array in steps.items()} == {
        "cut[0]": 62,
        "half[0]": 50,
        "other[0]": 50,
        "telephone[0]": 50,
    }
    np.testing.assert_allclose(steps["half[0]"], steps["other[0]"], atol=1e-2)


def test_a_transcript_of_another_language_is_spread_and_counted(tmp_path):
    pytest.importorskip("pocketsphinx")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/loved.ogg").write_bytes((SPEECH / "loved.ogg").read_bytes())
    (tmp_path / "clips/loved.txt").write_text("das Wetter war wirklich wunderschön; Spielfilme langweilten uns")
    account = extract(tmp_path / "clips", tmp_path / "corpus").account
    assert account["counts"]["transcripts that do not fit their sound"] == 1
    assert account["counts"]["words spread evenly, as nothing tells their times"] == account["words"] == 8


def test_no_process_of_an_extraction_opens_a_socket_or_leaves_a_file_elsewhere(tmp_path):
    write_wav(tmp_path / "clips/a.wav", noise(0.5))
    (tmp_path / "clips/a.json").write_text('[{"word": "so", "start": 0.1, "end": 0.4}]')
    for name in ("site", "home"):
        (tmp_path / name).mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(_WATCH)
    notes = tmp_path / "notes"
    places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(tmp_path / "home"))
    environment = {**os.environ, **places, "NOTES": str(notes), "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "mmtrans.cli.main", "extract", str(tmp_path / "clips"), str(tmp_path / "corpus")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert not notes.exists()
    assert list((tmp_path / "home").iterdir()) == []
    # The watch can fail.
    subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], cwd=ROOT, env=environment, check=True)
    assert notes.read_text() == "socket.__new__\n"
