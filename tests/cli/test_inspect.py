import json
import shutil
import subprocess
import sys

import pytest

from mmtrans.cli.main import main


def test_it_shows_what_is_inside(records_dir, capsys):
    assert main(["inspect", str(records_dir), "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert set(result["splits"]) == {"train", "valid", "test"}
    assert any(f" {result['splits']['train']['segments']} " in line for line in lines)


def test_whole_records_are_verified(records_dir, capsys):
    assert main(["inspect", str(records_dir), "--verify"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Verified: every checksum and every record is in order."


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_flipped_byte_is_found_and_its_shard_named(small_dir, tmp_path, capsys, split):
    records = tmp_path / "records"
    shutil.copytree(small_dir, records)
    shard = sorted(records.glob(f"*{split}*"))[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    assert main(["inspect", str(records), "--verify", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("mmtrans: The records are damaged.")
    assert shard.name in captured.err
    assert "Verified" not in captured.out


def test_missing_shards_are_named_in_one_sentence(small_dir, tmp_path, capsys):
    records = tmp_path / "records"
    shutil.copytree(small_dir, records)
    first, second = sorted(path.name for path in records.glob("*test*"))[:2]
    (records / first).unlink()
    (records / second).unlink()
    assert main(["inspect", str(records), "--verify"]) == 2
    listed = f"A shard is missing: {first}; A shard is missing: {second}"
    assert f"Received: {listed}. Convert the source again." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nowhere", "file.txt", "."])
def test_no_records(tmp_path, capsys, name):
    (tmp_path / "file.txt").write_text("")
    assert main(["inspect", str(tmp_path / name)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("mmtrans: No records here. Expected manifest.json")
    assert captured.err.count("\n") == 1


def test_verifying_says_nothing_of_the_machine(records_dir):
    command = [sys.executable, "-m", "mmtrans.cli.main", "inspect", str(records_dir), "--verify"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
