"""What the operating system may do to a command: refuse, stop it, close its streams."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmtrans.cli.main import COMMANDS, main
from mmtrans.system.interrupts import Terminated

ROOT = Path(__file__).resolve().parents[2]
#: The least arguments of each command.
ARGUMENTS = {
    **{"synthesize": ["x"], "convert": ["x", "y"], "inspect": ["x"], "train": [], "tune": [], "translate": ["x"]},
    **{"grid": ["--data", "x", "--out", "y"], "evaluate": ["x"], "predict": ["x", "y"], "report": ["x"]},
    **{"export": ["x", "y"], "extract": ["x", "y"], "explore": ["x"], "runs": ["x"], "compare": ["x", "y"]},
}


def shell(line, **options):
    """Runs a line of shell in which `mmtrans` is the command."""
    line = line.replace("mmtrans ", f"{sys.executable} -m mmtrans.cli.main ")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=False, env=environment, **{"cwd": ROOT, **options}
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (
            errno.EROFS,
            "The place is read-only. Expected one that can be written to. Received: file='/p'. Choose another.",
        ),
        (
            errno.ENOLCK,
            "The file system has no locks. Expected one that locks files. Received: file='/p'. Choose a place",
        ),
        (
            errno.ENAMETOOLONG,
            "The name is too long. Expected one that the file system takes. Received: file='/p'. Choose",
        ),
    ],
)
def test_every_command_tells_a_refusal_in_one_sentence(monkeypatch, capsys, command, number, sentence):
    def run(arguments):
        raise OSError(number, os.strerror(number), "/p")

    monkeypatch.setattr(f"mmtrans.cli.{command}.run", run)
    assert main([command, *ARGUMENTS[command]]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"mmtrans: {sentence}")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_by_sigterm_with_a_sentence(monkeypatch, capsys, command):
    def run(arguments):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(f"mmtrans.cli.{command}.run", run)
    assert main([command, *ARGUMENTS[command]]) == 143
    last = {**dict.fromkeys(("train", "tune", "grid"), "checkpoint"), "extract": "whole recording"}.get(command)
    goes_on = f" The same command goes on from the last {last}." if last else ""
    assert capsys.readouterr().err == f"mmtrans: Terminated.{goes_on}\n"


def test_an_error_of_a_defect_keeps_its_traceback(monkeypatch):
    def run(arguments):
        raise ImportError("No module named 'x'")

    monkeypatch.setattr("mmtrans.cli.synthesize.run", run)
    with pytest.raises(ImportError, match="No module named 'x'"):
        main(["synthesize", "x"])


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A disk of a megabyte."""
    path = tmp_path_factory.mktemp("full")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], capture_output=True).returncode:
        pytest.skip("cannot mount a disk")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_leaves_nothing_half_written(full, corpus_dir, capsys):
    for argv in (["synthesize", f"{full}/new", "--videos", "5"], ["convert", str(corpus_dir), f"{full}/new"]):
        assert main(argv) == 2
        err = capsys.readouterr().err
        assert err == f"mmtrans: The disk is full. Expected room for what is written. Received: file='{full}/new'. " + (
            "Make room there.\n"
        )
        assert os.listdir(full) == []


def test_synthesize_on_a_full_disk_ends_by_no_signal(full):
    done = shell(f"mmtrans synthesize {full}/new --videos 5")
    assert (done.returncode, done.stderr.count("\n"), os.listdir(full)) == (2, 1, [])


def test_a_read_only_place_is_named_as_it_was_given(full, corpus_dir, capsys):
    subprocess.run(["mount", "-o", "remount,ro", str(full)], check=True)
    try:
        for argv in (["synthesize", f"{full}/new"], ["convert", str(corpus_dir), f"{full}/new"]):
            assert main(argv) == 2
            assert f"The place is read-only. Expected one that can be written to. Received: file='{full}/new'." in (
                capsys.readouterr().err
            )
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(full)], check=True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "line", ["mmtrans inspect {records}", "mmtrans --help", "mmtrans --version", "mmtrans train --help"]
)
@pytest.mark.parametrize("before", ["", "PYTHONUNBUFFERED=1 "])
def test_a_device_that_takes_nothing(line, before, records_dir):
    done = shell(f"{before}{line.format(records=records_dir)} > /dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("mmtrans: The disk is full.")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("line", ["mmtrans inspect /none", "mmtrans inspect", "mmtrans train --units 0"])
def test_where_stderr_takes_nothing_the_exit_code_tells(line):
    assert shell(f"{line} 2> /dev/full").returncode == 2


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("mmtrans inspect {records} >&-", 0, ""),
        ("mmtrans inspect {records} <&- >&- 2>&-", 0, ""),
        ("mmtrans inspect {corpus} >&-", 2, "mmtrans: No records here."),
        ("mmtrans inspect {corpus} 2>&-", 2, ""),
        ("mmtrans convert {corpus} {new} <&-", 0, ""),
        ("mmtrans convert {corpus} {new} <&- >&-", 0, ""),
        ("mmtrans train --print-config --json 2>&- <&-", 0, ""),
        ("mmtrans --help >&-", 0, ""),
        ("mmtrans --version >&- 2>&-", 0, ""),
    ],
)
def test_closed_streams_take_nothing_and_break_nothing(line, code, err, records_dir, corpus_dir, tmp_path):
    done = shell(line.format(records=records_dir, corpus=corpus_dir, new=tmp_path / "new"))
    assert (done.returncode, done.stderr.startswith(err), bool(done.stderr)) == (code, True, bool(err))
    assert "No records" not in done.stdout
    if "{new}" in line:
        assert (tmp_path / "new" / "manifest.json").read_bytes() == (records_dir / "manifest.json").read_bytes()


def test_a_working_directory_that_is_gone(tmp_path):
    done = shell(f"mkdir {tmp_path}/x && cd {tmp_path}/x && rmdir {tmp_path}/x && mmtrans inspect records")
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last[:41]) == (2, "mmtrans: The working directory is gone. Expected"[:41])


@pytest.mark.parametrize("most", [12, 20])
def test_few_file_descriptors_are_told_of(most, corpus_dir, tmp_path):
    done = shell(f"ulimit -n {most}; mmtrans convert {corpus_dir} {tmp_path}/new")
    assert done.returncode == 2
    assert done.stderr.startswith("mmtrans: Too many files are open. Expected room for some more.")
    assert "Raise the limit with `ulimit -n 1024`." in done.stderr
    assert os.listdir(tmp_path) == []


def test_terminated_is_an_interrupt():
    assert issubclass(Terminated, KeyboardInterrupt)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", r"\u5b57 \u2265"), ("cp1252", r"\u5b57 \u2265"), ("utf-8", "字 ≥")]
)
def test_characters_that_an_encoding_lacks_are_escapes(encoding, shown):
    code = (
        "from mmtrans.cli.streams import open_streams\nfrom mmtrans.system.console import Console, say\n"
        "open_streams()\nsay('字 ≥')\nConsole().print('字 ≥')"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=environment)
    assert done.stderr == b""
    assert done.stdout.decode(encoding).splitlines() == [shown, shown]
