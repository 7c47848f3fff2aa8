"""The page that says how to add a format does as it says."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.sources import open as door
from mmtrans.sources.account import Noted, note
from tfrecords.manifest import Manifest
from tfrecords.reader import read_segments

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
ROWS = [
    {"segment": f"{video}[{index}]", "label": label, "audio": [[index + 1, 2.0]] * (index + 2)}
    for video, index, label in [("a", 0, 1.5), ("a", 1, -2.0), ("b", 0, 0.5), ("c", 0, float("nan"))]
]


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A file of the page's format, which the door knows by one line of its table."""
    module = tmp_path / "lines.py"
    module.write_text(PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("lines", module)
    lines = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lines)
    monkeypatch.setattr(door, "FORMATS", (*door.FORMATS, lines.FORMAT))
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    return path


def test_a_format_of_the_page_is_recognised_and_opened(source):
    corpus = door.open_corpus(source)
    assert corpus.format == "lines"
    for _ in range(2):
        segments = list(corpus.read())
        assert [(s.id, s.video_id, s.label) for s in segments] == [
            ("a[0]", "a", 1.5),
            ("a[1]", "a", -2.0),
            ("b[0]", "b", 0.5),
            ("c[0]", "c", None),
        ]
        np.testing.assert_array_equal(segments[1].features["audio"], [[2, 2]] * 3)


def test_a_format_of_the_page_notes_what_it_does_not_use(source):
    assert door.open_corpus(source).noted == []
    source.write_text("\n".join(json.dumps({**row, "pose": 1, "ear": 2}) for row in ROWS), encoding="utf-8")
    corpus = door.open_corpus(source)
    assert corpus.noted == [note(Noted.PARTS_NOT_USED, parts="ear, pose")]
    assert corpus.notes == ["Parts of the file that are not used: ear, pose."]


def test_a_format_of_the_page_is_converted(source, tmp_path):
    assert main(["convert", str(source), str(tmp_path / "records")]) == 0
    manifest = Manifest.load(tmp_path / "records")
    assert manifest.source.format == "lines"
    assert sum(split.segments for split in manifest.splits.values()) == 4
    assert manifest.cleaning == {"labels: not finite, kept without a label": 1}
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    stored = {s.id: s for shard in shards for s in read_segments(tmp_path / "records" / shard.file, {"audio": 2})}
    np.testing.assert_array_equal(stored["b[0]"].features["audio"], [[1, 2]] * 2)


def test_the_door_speaks_of_a_format_of_the_page(source, tmp_path):
    with pytest.raises(ValueError, match=r"The lines format has no label times\. Expected no --label-shift"):
        door.open_corpus(source, label_shift=0.5)
    (tmp_path / "other.txt").write_text("text", encoding="utf-8")
    with pytest.raises(ValueError, match=r"neutral a folder .*, lines a text file with a segment a line\. Received"):
        door.open_corpus(tmp_path / "other.txt")
    source.write_text('{"segment": "a[0]", ', encoding="utf-8")
    with pytest.raises(ValueError, match=r"The corpus cannot be read\. Expected a segment a line"):
        door.open_corpus(source)
