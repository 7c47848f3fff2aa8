import json
import subprocess
import sys

import pytest

from mmtrans import __version__
from mmtrans.cli.main import COMMANDS, fail, main, main_train


def error_of(argv, capsys):
    """The one line on stderr of a command line that is refused by the parser."""
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "mmtrans: The following arguments are required: COMMAND. See `mmtrans --help`."),
        (["retrain"], "invalid choice: 'retrain'"),
        (["train", "--bogus", "1"], "Unrecognized arguments: --bogus 1"),
        (["train", "--unit", "4"], "Unrecognized arguments: --unit 4"),  # no abbreviations
        (["train", "--units", "four"], "mmtrans train: Argument --units: invalid int value: 'four'."),
        (["train", "--cell", "rnn"], "invalid choice: 'rnn'"),
        (["convert", "source"], "mmtrans convert: The following arguments are required: RECORDS."),
        (["evaluate", "run", "--split", "dev"], "invalid choice: 'dev'"),
        (["inspect"], "required: RECORDS"),
    ],
)
def test_parser_errors_are_one_line(argv, message, capsys):
    assert message in error_of(argv, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"usage: mmtrans {command}" in out
    assert "--json" in out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"mmtrans {__version__}\n"


def test_help_and_parser_errors_do_not_import_tensorflow():
    code = f"""
import sys
from mmtrans.cli.main import main
for argv in [["--help"], ["train", "--units", "x"], *([name, "--help"] for name in {list(COMMANDS)})]:
    try:
        main(argv)
    except SystemExit:
        pass
main(["train", "--print-config"])
main(["train", "--units", "0"])
sys.exit("tensorflow" in sys.modules or "keras" in sys.modules or "h5py" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("Wrong.\n  Expected\tmore."), 2, "mmtrans: Wrong. Expected more.\n"),
        (FileNotFoundError("No file."), 2, "mmtrans: No file.\n"),
        (FloatingPointError("Not finite at step 3."), 1, "mmtrans: Not finite at step 3.\n"),
        (KeyboardInterrupt(), 130, "mmtrans: Interrupted.\n"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(monkeypatch, capsys, error, code, line):
    def run(arguments):
        raise error

    monkeypatch.setattr("mmtrans.cli.synthesize.run", run)
    assert main(["synthesize", "x", "--json"]) == code
    assert capsys.readouterr() == ("", line)


def test_an_interrupted_training_says_how_to_go_on(monkeypatch, capsys):
    def run(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("mmtrans.cli.train.run", run)
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "mmtrans: Interrupted. The same command goes on from the last checkpoint.\n"


def test_other_errors_keep_their_traceback(monkeypatch):
    def run(arguments):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("mmtrans.cli.synthesize.run", run)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        main(["synthesize", "x"])


def test_json_refuses_nan(monkeypatch):
    monkeypatch.setattr("mmtrans.cli.synthesize.run", lambda arguments: {"r": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        main(["synthesize", "x", "--json"])


def test_mmtrans_train_is_mmtrans_train(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("mmtrans.cli.train.run", lambda arguments: seen.append(arguments.recipe) or {"mae": None})
    monkeypatch.setattr(sys, "argv", ["mmtrans-train", "--recipe", "V", "--json"])
    assert main_train() == 0
    assert seen == ["V"]
    assert json.loads(capsys.readouterr().out) == {"mae": None}


def test_fail_prints_one_line(capsys):
    assert fail("a\nb", 2) == 2
    assert capsys.readouterr().err == "mmtrans: a b\n"


@pytest.mark.parametrize("argv", [["inspect", "{records}"], ["train", "--print-config"], ["tune", "--help"]])
def test_a_reader_that_goes_away_is_no_traceback(records_dir, argv):
    argv = [argument.format(records=records_dir) for argument in argv]
    command = [sys.executable, "-m", "mmtrans.cli.main", *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_shell_completes_commands_and_flags(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--print-completion", "bash"])
    assert stopped.value.code == 0
    script = tmp_path / "mmtrans.sh"
    script.write_text(capsys.readouterr().out)
    for words, expected in {"train --ep": "--epochs", "conv": "convert"}.items():
        typed = ["mmtrans", *words.split()]
        ask = f"source {script}; COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; _shtab_mmtrans"
        found = subprocess.run(["bash", "-c", f'{ask}; echo "${{COMPREPLY[@]}}"'], capture_output=True, text=True)
        assert found.stdout.split() == [expected]
