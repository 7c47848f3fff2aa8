import json
import os
import sys

import pytest

from tools.benchmark_rounds import Comparator, run_rounds, thread_variables

#: Appends its name and threads to a log, and prints a rate that depends on how often it ran before.
FAKE = """
import json, os, sys
name, log = sys.argv[1:3]
with open(log, "a+") as file:
    file.seek(0)
    before = [line.split()[0] for line in file].count(name)
    file.write(f"{name} {os.environ['OMP_NUM_THREADS']} {os.getpid()}\\n")
rates = {"ours": [60.0, 10.0, 80.0], "theirs": [20.0, 20.0, 20.0]}[name]
key = "segments_per_s" if name == "ours" else "frames/packed"
value = rates[before] if name == "ours" else {"segments_per_s": rates[before]}
print("a line of chatter")
print(json.dumps({"bench": name, "results": {key: value}}))
"""


@pytest.fixture
def fake(tmp_path):
    path = tmp_path / "fake peer.py"
    path.write_text(FAKE, encoding="utf-8")
    return path


def test_variants_alternate_in_processes_of_their_own(fake, tmp_path):
    log = tmp_path / "log"
    comparator = Comparator(str(fake), sys.executable, f"theirs '{log}'")
    lines = list(run_rounds([sys.executable, str(fake), "ours", str(log)], comparator, 3, 2))
    ran = [line.split() for line in log.read_text().splitlines()]
    assert [name for name, *_ in ran] == ["ours", "theirs"] * 3
    assert {threads for _, threads, _ in ran} == {"2"}
    assert len({pid for *_, pid in ran} | {str(os.getpid())}) == 7
    assert [line["bench"] for line in lines[:6]] == ["ours", "theirs"] * 3
    summary, other, ratio = lines[6:]
    assert summary == {
        "bench": "ours",
        "summary_of": 3,
        "results": {"segments_per_s": 60.0, "segments_per_s_low": 10.0, "segments_per_s_high": 80.0},
    }
    assert other["results"]["frames/packed/segments_per_s"] == 20.0
    assert ratio == {
        "bench": "ours",
        "against": "fake peer.py",
        "rounds": 3,
        "figure": "frames/packed/segments_per_s",
        "ratio": 3.0,
        "ratio_low": 0.5,
        "ratio_high": 4.0,
        "ours": 60.0,
        "theirs": 20.0,
    }
    assert json.loads(json.dumps(lines)) == lines


def test_repeats_without_a_comparator(fake, tmp_path):
    lines = list(run_rounds([sys.executable, str(fake), "ours", str(tmp_path / "log")], None, 2, 1))
    assert [line.get("summary_of") for line in lines] == [None, None, 2]
    assert lines[2]["results"]["segments_per_s"] == 35.0


@pytest.mark.parametrize("printed", ["", "hello", "[1]", '{"bench": "x"}', '{"results": 3}'])
def test_a_line_that_is_not_understood(printed):
    command = [sys.executable, "-c", f"print({printed!r})"]
    message = r"A benchmark's last line is not understood\. Expected one JSON object with results\. Received: '"
    with pytest.raises(ValueError, match=message):
        list(run_rounds(command, None, 1, 1))


def test_no_comparator(tmp_path):
    message = r"There is no such comparator\. Expected a Python script\. Received: against='.*absent\.py'"
    with pytest.raises(FileNotFoundError, match=message):
        Comparator(str(tmp_path / "absent.py"))


def test_thread_variables_reach_tensorflow_and_blas():
    variables = thread_variables(3)
    assert set(variables.values()) == {"3"}
    assert {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"} <= set(variables)
