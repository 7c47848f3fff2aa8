"""The command from clips to a corpus, and on to records."""

import json

import pytest

from mmtrans.cli.main import main
from tests.clips.signals import noise, write_wav

pytest.importorskip("av")


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    for number in range(3):
        write_wav(folder / f"talk{number}.wav", noise(0.6, seed=number))
        (folder / f"talk{number}.srt").write_text("1\n00:00:00,100 --> 00:00:00,500\nquite good\n")
    (folder / "notes.doc").write_text("x")
    return folder


def test_clips_become_a_corpus_and_records(clips, tmp_path, capsys):
    (clips / "broken.mp4").write_text("x")
    corpus = str(tmp_path / "corpus")
    assert main(["extract", str(clips), corpus, "--json"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "4 recordings (1.8 s): 3 segments of 3 speakers, 6 words."
    assert lines[1] == "  6 words spread evenly, as nothing tells their times"
    assert lines[2] == f"Next: mmtrans convert {corpus} RECORDS"
    assert json.loads(lines[-1])["segments"] == 3
    assert err.splitlines() == [
        "mmtrans: Left out: broken.mp4: FFmpeg cannot open it: Invalid data found when processing input.",
        "mmtrans: Note: Left aside: 1 other file of the folder, no clip by its ending.",
    ]
    assert main(["extract", str(clips), corpus]) == 0
    assert capsys.readouterr().out.startswith("4 recordings (1.8 s, 4 of them before): ")
    assert main(["convert", corpus, str(tmp_path / "records")]) == 0
    assert "Modalities: audio 40." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "match"),
    [
        (["--steps", "syllables"], "invalid choice: 'syllables'"),
        (["--segment-seconds", "0"], "--segment-seconds is out of range. Expected a value between 1.0 and 120.0."),
        (["--clip-shift", "x"], "invalid float value: 'x'"),
    ],
)
def test_flags_that_cannot_be_are_one_sentence(clips, tmp_path, capsys, flags, match):
    try:
        code = main(["extract", str(clips), str(tmp_path / "corpus"), *flags])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    error = capsys.readouterr().err
    assert match in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "corpus").exists()


def test_no_clip_is_one_sentence(tmp_path, capsys):
    assert main(["extract", str(tmp_path / "gone"), str(tmp_path / "corpus")]) == 2
    assert capsys.readouterr().err.startswith("mmtrans: There is no clip at ")
