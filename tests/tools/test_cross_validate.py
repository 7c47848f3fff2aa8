"""Ways to train, compared on folds: small records, and the figures against NumPy."""

import json

import numpy as np
import pytest

from tfrecords.manifest import Manifest
from tfrecords.schema import video_of
from tools.cross_validate import main


def test_ways_are_scored_once_a_segment_and_compared(small_dir, tmp_path, capsys):
    config = tmp_path / "tiny.yaml"
    config.write_text("recipe: T\nrecurrent: false\npooling: mean\nepochs: 1\n")
    ways = ["--way", f"one={small_dir}:{config}", "--mix", "both=one.0,one"]
    command = ["--out", str(tmp_path / "out"), "--folds", "3", *ways]
    assert main(command) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    manifest = Manifest.load(small_dir)
    rows = {}
    for fold in range(3):
        found = json.loads((tmp_path / "out/runs/one" / f"fold{fold}-seed0/scores.json").read_text())
        videos = set(map(video_of, found))
        assert not videos & set(map(video_of, rows))
        splits = Manifest.load(tmp_path / "out/records/one" / str(fold)).folds.videos
        assert videos == set(splits["test"])
        assert not videos & {*splits["train"], *splits["valid"]}
        rows |= found
    assert set(map(video_of, rows)).isdisjoint(manifest.folds.videos["test"])
    errors = [abs(label - score) for label, score in rows.values()]
    assert results["segments"] == len(rows)
    np.testing.assert_allclose(results["ways"]["one"]["mae"]["value"], np.mean(errors), rtol=1e-6)
    # The same model twice: equal figures, and no difference.
    assert results["ways"]["both"]["mae"]["value"] == pytest.approx(results["ways"]["one"]["mae"]["value"])
    assert results["ways"]["both"]["members"] == 2
    assert results["ways"]["both"]["mae_difference"]["mean"] == pytest.approx(0, abs=1e-9)
    # Nothing is trained again.
    before = (tmp_path / "out/runs/one/fold0-seed0/scores.json").stat().st_mtime_ns
    capsys.readouterr()
    assert main(command) == 0
    assert (tmp_path / "out/runs/one/fold0-seed0/scores.json").stat().st_mtime_ns == before
    assert "| both | 2 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--way", "no records"], "Not a way to train"),
        (["--way", "a=RECORDS", "--mix", "b=a,c"], "Not a mix of ways"),
        (["--way", "a=RECORDS", "--mix", "b=a.1"], "Not a mix of ways"),
        (["--way", "a=RECORDS", "--seeds", "2,b=1"], "Not numbers of seeds"),
        (["--way", "a=RECORDS", "--seeds", "0"], "Not numbers of seeds"),
        (["--way", "a=RECORDS", "--against", "b"], "Unknown way"),
        (["--way", "a=RECORDS", "--folds", "2"], "Too few folds"),
        (["--way", "a=nothing"], "No records here"),
    ],
)
def test_bad_arguments_are_one_sentence(small_dir, tmp_path, capsys, arguments, message):
    arguments = [argument.replace("RECORDS", str(small_dir)) for argument in arguments]
    assert main(["--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
