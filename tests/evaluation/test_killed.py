import subprocess
import sys

import pytest

from mmtrans.data.records import Records
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.runs.run import Run
from mmtrans.training.train import train

KILLS = 4


def content_of(path):
    """File → its bytes; TensorBoard's, which are named and stamped by the time, by their number."""
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    events = sorted(str(file.parent) for file in map(path.joinpath, files) if "tfevents" in file.name)
    found = {name: file.read_bytes() for name, file in files.items() if "tfevents" not in name}
    return found, [event.removeprefix(str(path)) for event in events]


@pytest.mark.slow
def test_an_evaluation_killed_anywhere_and_repeated_equals_an_undisturbed_one(small_dir, tiny, tmp_path):
    records = Records.open(small_dir, splits=("train", "valid"))
    run = Run.open_or_create(tmp_path / "run", tiny(epochs=1), records)
    train(run, records, quiet=True)
    evaluate(run, records, "valid")
    command = [sys.executable, "-m", "tests.evaluation.killed", run.path, small_dir, tmp_path, "5", str(KILLS)]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    expected = content_of(tmp_path / "undisturbed")
    assert "predictions.csv" in expected[0]
    for number in range(KILLS):
        assert content_of(tmp_path / f"killed-{number}") == expected
