import json
from datetime import datetime, timedelta, timezone

from tools.benchmark_record import Record


def test_lines_are_kept_as_they_come(tmp_path):
    record = Record(tmp_path / "file.json", ["grid", "--tree", "/somewhere/old tree", "--jobs", "2"])
    assert not record.path.exists()
    record.add(
        {"bench": "grid", "configuration": {"tree": "/somewhere/old tree", "jobs": 2}, "results": {"wall_s": 1.5}}
    )
    record.add({"bench": "grid", "summary_of": 1})
    kept = json.loads(record.path.read_text())
    assert kept["command"] == "python -m tools.benchmark grid --tree 'old tree' --jobs 2"
    assert kept["lines"] == [
        {"bench": "grid", "configuration": {"tree": "old tree", "jobs": 2}, "results": {"wall_s": 1.5}},
        {"bench": "grid", "summary_of": 1},
    ]
    assert datetime.now(timezone.utc) - datetime.fromisoformat(kept["date"]) < timedelta(minutes=1)
    assert kept["hardware"]["cores"] >= 1
    assert kept["hardware"]["memory_gib"] > 0


def test_a_command_keeps_its_line(tmp_path, capsys):
    from tools.benchmark import main

    assert main(["start", "--save", str(tmp_path / "file.json")]) == 0
    (line,) = json.loads((tmp_path / "file.json").read_text())["lines"]
    told = json.loads(capsys.readouterr().out)
    assert line["results"] == told["results"]
