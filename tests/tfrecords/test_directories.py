import errno
import subprocess
import sys

import pytest

from tests.tfrecords.test_processes import process_of
from tfrecords.directories import is_leftover, new_directory, partial_path, recover
from tfrecords.processes import Process


def refuse(target):
    if (target / "mark").exists():
        raise ValueError(f"There is one. Received: {target}.")


def content(path):
    return {file.name: file.read_text() for file in path.iterdir()}


def test_what_appears_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "new"
    with pytest.raises(ValueError, match=r"There is one\..*new"), new_directory(target, refuse) as partial:  # noqa: PT012
        (partial / "mark").write_text("second")
        with new_directory(target, refuse) as other:
            (other / "mark").write_text("first")
    assert content(target) == {"mark": "first"}
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_of_many_that_make_one_directory_one_succeeds(tmp_path):
    """Processes that are ready at the same time; before the check at the rename all of them succeeded."""
    code = (
        "import sys, time\nfrom tests.tfrecords.test_directories import refuse\n"
        "from tfrecords.directories import new_directory\n"
        "with new_directory(sys.argv[1], refuse) as partial:\n"
        "    (partial / 'mark').write_text(sys.argv[2])\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "new"), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    errors = [process.communicate("\n")[1] for process in started]
    (number,) = (number for number, process in enumerate(started) if process.returncode == 0)
    assert content(tmp_path / "new") == {"mark": str(number)}
    assert sum("ValueError: There is one." in error for error in errors) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_of_many_that_replace_a_directory_the_last_one_is_left(tmp_path):
    target = tmp_path / "one"
    code = (
        "import sys\nfrom tfrecords.directories import new_directory\n"
        "for number in range(60):\n"
        "    with new_directory(sys.argv[1], overwrite=True) as partial:\n"
        "        (partial / 'mark').write_text(sys.argv[2] + str(number))\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(target), name]) for name in "abc"]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert content(target)["mark"] in ("a59", "b59", "c59")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_error_leaves_what_was_there(tmp_path, overwrite):
    target = tmp_path / "one"
    target.mkdir()
    if overwrite:
        (target / "mark").write_text("old")
    with pytest.raises(KeyboardInterrupt), new_directory(target, overwrite=overwrite) as partial:  # noqa: PT012
        (partial / "mark").write_text("new")
        raise KeyboardInterrupt
    assert content(target) == ({"mark": "old"} if overwrite else {})
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_rename_that_fails_puts_the_old_one_back(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mark").write_text("old")
    rename = type(tmp_path).rename

    def fails(path, target):
        if ".partial-" in path.name:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", fails)
    with pytest.raises(OSError, match=rf"Input/output error: '{tmp_path}/one'"):  # noqa: SIM117
        with new_directory(tmp_path / "one", overwrite=True) as partial:
            (partial / "mark").write_text("new")
    assert content(tmp_path / "one") == {"mark": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_cannot_be_put_back_is_kept(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mark").write_text("old")
    rename = type(tmp_path).rename

    def fails(path, target):
        if path.name.startswith("."):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "rename", fails)
        with pytest.raises(OSError, match="Input/output error"), new_directory(tmp_path / "one", overwrite=True):
            pass
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".one.old-")
    assert content(left) == {"mark": "old"}


def test_a_full_disk_is_told_with_the_name_that_was_asked_for(tmp_path):
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/one'"), new_directory(tmp_path / "one"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_the_kill_between_both_renames_loses_nothing(tmp_path):
    child, gone = process_of("")
    child.communicate()
    elsewhere = Process(1, "00000000", 5)
    for name in ("one", "two"):
        (tmp_path / f".{name}.old-{gone}-3").mkdir()
        (tmp_path / f".{name}.old-{gone}-3" / "mark").write_text("old")
        for maker in (gone, elsewhere, Process.this()):
            (tmp_path / f".{name}.partial-{maker}-0").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "mark").write_text("new")
    recover(tmp_path / "one")
    recover(tmp_path / "two")
    assert (content(tmp_path / "one"), content(tmp_path / "two")) == ({"mark": "old"}, {"mark": "new"})
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))
    assert left == sorted(
        f".{name}.partial-{maker}-0" for name in ("one", "two") for maker in (elsewhere, Process.this())
    )


def test_leftovers_are_known_by_their_names(tmp_path):
    ours = partial_path(tmp_path / "config.yaml").name
    assert all(map(is_leftover, (ours, ".x.partial", ".x.old-12", ".a b.partial-12-0123abcd-7")))
    assert not any(map(is_leftover, ("x.partial", ".x", ".partial", ".x.older", ".lease", ".x.partial-y.txt")))
