"""Which clip a segment of the explorer's page is linked to."""

import json
from pathlib import Path

import pytest

from mmtrans.cli.main import main
from mmtrans.cli.media import Media
from mmtrans.explore.shapes import Clip


@pytest.fixture
def folder(tmp_path):
    """Files of recordings, of a segment, and a name that an address must not hold as it is."""
    (tmp_path / "clips").mkdir()
    for name in ("talk.mp4", "other_3.wav", "a b#.mp4"):
        (tmp_path / "clips" / name).write_bytes(b"x")
    return tmp_path / "clips"


def test_files_are_found_by_their_names(folder, tmp_path):
    media = Media.read(folder)
    found = media.find(["talk[0]", "other[2]", "a b#[1]", "nobody[0]"], tmp_path / "pages")
    assert found == {
        "talk[0]": Clip("../clips/talk.mp4", False, True),
        "other[2]": Clip("../clips/other_3.wav", True, False),
        "a b#[1]": Clip("../clips/a%20b%23.mp4", False, True),
    }


def test_a_corpus_of_them_tells_the_times(folder, tmp_path):
    receipts = tmp_path / "corpus" / "clips"
    receipts.mkdir(parents=True)
    segment = {
        "id": "talk[1]",
        "label": None,
        "split": None,
        "speaker": "",
        "start": 1.5,
        "end": 2.25,
        "steps": {"audio": 1},
    }
    receipt = {
        "recording": "talk.mp4",
        "request": {},
        "sha256": None,
        "sound": {},
        "picture": {},
        "seconds": 9.0,
        "counts": {},
    }
    text = json.dumps({**receipt, "segments": [{**segment, "words": []}], "left_out": []})
    (receipts / "talk.mp4.json").write_text(text)
    media = Media.read(folder, tmp_path / "corpus")
    assert media.find(["talk[1]"], folder) == {"talk[1]": Clip("talk.mp4#t=1.5,2.25", False, False)}
    with pytest.raises(ValueError, match=r"The corpus is not one of clips\. Expected a folder clips"):
        Media.read(folder, folder)


def test_a_table_of_clips_tells_them_too(folder):
    (folder / "clips.csv").write_text("file,id,start,end\ntalk.mp4,talk[4],0.5,\n")
    assert Media.read(folder).find(["talk[4]"], Path(folder)) == {"talk[4]": Clip("talk.mp4#t=0.5", False, False)}


def test_times_without_clips_are_refused(capsys):
    assert main(["explore", "run", "--corpus", "talks"]) == 2
    assert "Expected --clips CLIPS with --corpus. Received: corpus=talks alone." in capsys.readouterr().err
