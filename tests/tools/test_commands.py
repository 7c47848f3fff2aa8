import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(tool, *argv):
    command = [sys.executable, "-m", f"tools.{tool}", *map(str, argv)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("tool", "command"), [("convert_mosi", "convert"), ("make_corpus", "synthesize"), ("inspect_records", "inspect")]
)
def test_tools_are_the_commands(tool, command):
    shown = run(tool, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: mmtrans {command}")


@pytest.mark.slow
def test_from_a_corpus_to_verified_records(tmp_path):
    corpus, records = tmp_path / "corpus", tmp_path / "records"
    assert run("make_corpus", corpus, "--videos", "3").returncode == 0
    assert run("convert_mosi", corpus, records).returncode == 0
    inspected = run("inspect_records", records, "--verify")
    assert inspected.returncode == 0
    assert "Verified" in inspected.stdout


def test_bad_input_exits_2(tmp_path):
    failed = run("inspect_records", tmp_path / "absent")
    assert failed.returncode == 2
    assert failed.stderr.startswith("mmtrans: No records here.")
