import json

import pytest

from mmtrans.cli.main import main


def refused(argv, capsys):
    """The one line on stderr of a command that exits with 2."""
    assert main([str(argument) for argument in argv]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("mmtrans: ")
    return captured.err


@pytest.mark.slow
def test_it_writes_and_tells(translation_run, tmp_path, capsys):
    target = tmp_path / "exported"
    assert main(["export", str(translation_run), str(target), "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    description = json.loads(last, parse_constant=pytest.fail)
    assert description == json.loads((target / "signature.json").read_text(encoding="utf-8"))
    assert any(line.startswith(f"Wrote {target}. Signatures: serving_default, sentiment,") for line in lines)
    assert description["metrics"]["valid"]["segments"] > 0
    assert "translate" in description["signatures"]
    card = (target / "model_card.md").read_text(encoding="utf-8")
    assert "| valid | " in card
    assert "Translation, valid, free-running: R² " in card
    assert "An export exists already." in refused(["export", translation_run, target], capsys)


def test_no_run_and_a_foreign_directory(baseline_run, tmp_path, capsys):
    assert "No run there." in refused(["export", tmp_path / "nowhere", tmp_path / "exported"], capsys)
    (tmp_path / "mine.txt").write_text("mine")
    assert "holds other things than an export" in refused(["export", baseline_run, tmp_path, "--overwrite"], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
