"""Extraction by several processes: the corpus is that of one, and what ends on the way costs only the clips in hand."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmtrans.cli.main import main
from mmtrans.clips.extract import extract
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.store import ClipStore
from mmtrans.clips.work import ClipWork
from tests.clips.signals import chirp, noise, write_wav
from tests.engine.clusters import PATIENCE, Machines, wait_until

pytest.importorskip("av")

ROOT = Path(__file__).resolve().parents[2]
FRAMES = ExtractSettings(steps="frames")


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    for number in range(4):
        write_wav(folder / f"{number}.wav", chirp(90 + 20 * number, 160, 0.5 + number) + noise(0.5 + number, 0.02))
    (folder / "broken.mp4").write_text("x")
    return folder


def bytes_of(corpus):
    """Name → bytes of all that is in a corpus; nothing of the way is left there."""
    files = {path.relative_to(corpus).as_posix(): path for path in corpus.rglob("*") if path.is_file()}
    assert [name for name in files if name.startswith(".") and not name.startswith(".tokens")] == []
    return {name: path.read_bytes() for name, path in files.items()}


@pytest.mark.slow
def test_the_corpus_of_two_jobs_is_that_of_one_byte_for_byte(clips, tmp_path, capsys):
    extract(clips, tmp_path / "one", FRAMES)
    assert main(["extract", str(clips), str(tmp_path / "two"), "--steps", "frames", "--jobs", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("5 recordings (8.0 s): 4 segments of 4 speakers, 0 words.")
    assert "2 workers. " in err
    assert "Left out: broken.mp4: FFmpeg cannot open it" in err
    one, two = bytes_of(tmp_path / "one"), bytes_of(tmp_path / "two")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    assert "clips/3.wav.npz" in one


def test_a_clip_that_changes_on_the_way_is_told_and_measured_by_the_next_command(clips, tmp_path, monkeypatch):
    real = ClipStore.take

    def take(store, other, recording):
        receipt = real(store, other, recording)
        if recording == "1.wav":
            os.utime(clips / recording, (1, 1))
        return receipt

    monkeypatch.setattr(ClipStore, "take", take)
    with pytest.raises(ValueError, match=r"^A clip is not what it was\. .*Received: 1\.wav\. Start the same"):
        extract(clips, tmp_path / "corpus", FRAMES)
    assert not [path for path in (tmp_path / "corpus").iterdir() if "partial" in path.name]
    assert extract(clips, tmp_path / "corpus", FRAMES).account["done_before"] == 1


def test_what_fails_of_one_clip_is_its_reason_and_the_next_command_tries_again(clips, tmp_path, monkeypatch, capsys):
    real = ClipWork.__call__

    def work(self, task):
        if task.name == "2.wav":
            raise KeyError("lost")
        return real(self, task)

    monkeypatch.setattr(ClipWork, "__call__", work)
    account = extract(clips, tmp_path / "corpus", FRAMES).account
    assert account["left_out"][0] == {
        "clip": "2.wav",
        "reason": "measuring it failed: A defect of mmtrans: KeyError: 'lost'. The log has the traceback.",
    }
    assert account["segments"] == 3
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.undo()
    account = extract(clips, tmp_path / "corpus", FRAMES).account
    assert (account["segments"], account["done_before"]) == (4, 4)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_is_done_is_kept_when_the_command_ends_on_the_way(clips, tmp_path, number):
    for copy in range(4, 12):
        (clips / f"{copy}.wav").write_bytes((clips / "3.wav").read_bytes())
    corpus = tmp_path / "corpus"
    command = [sys.executable, "-m", "mmtrans.cli.main", "extract", str(clips), str(corpus), "--steps", "frames"]
    process = subprocess.Popen([*command, "--jobs", "2"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 180
    while len(list((corpus / "clips").glob("*.json"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    error = process.communicate(timeout=180)[1]
    done = len(list((corpus / "clips").glob("*.json")))
    assert 3 <= done < 13
    assert not (corpus / "segments.csv").exists()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert error.endswith("Interrupted. The same command goes on from the last whole recording.\n")
    account = extract(clips, corpus, FRAMES).account
    assert account["done_before"] == done
    assert account["segments"] == 12
    assert [path.name for path in corpus.iterdir() if "partial" in path.name] == []
    receipt = json.loads((corpus / "clips/3.wav.json").read_text())
    assert receipt["seconds"] == pytest.approx(3.5)


@pytest.fixture
def machines(tmp_path):
    """A cluster that somebody else has started, with two workers."""
    path = tmp_path / "machines"
    path.mkdir()
    with Machines(path) as machines:
        for _ in range(2):
            machines.worker()
        yield machines


@pytest.mark.slow
def test_a_cluster_of_others_makes_the_same_corpus_also_where_it_loses_a_worker(clips, tmp_path, machines):
    for copy in range(4, 12):
        (clips / f"{copy}.wav").write_bytes((clips / "3.wav").read_bytes())
    extract(clips, tmp_path / "one", FRAMES)
    corpus = tmp_path / "corpus"
    command = [sys.executable, "-m", "mmtrans.cli.main", "extract", str(clips), str(corpus), "--steps", "frames"]
    process = subprocess.Popen(
        [*command, "--scheduler", machines.address], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: len(list((corpus / "clips").glob("*.json"))) >= 3, "three clips")
    assert not (corpus / "segments.csv").exists()
    machines.workers[0].kill()
    out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, error
    assert out.startswith("13 recordings (36.0 s): 12 segments of 12 speakers, 0 words.")
    one, other = bytes_of(tmp_path / "one"), bytes_of(corpus)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
