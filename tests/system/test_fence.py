import itertools
import os

import pytest

from mmtrans.system import lease
from mmtrans.system.fence import TOKENS, Fence, LeaseLostError
from mmtrans.system.files import new_file, replaced_directory, write_atomically
from mmtrans.system.lease import LEASE, fence_of, held
from tests.system.stepping import Actor, Killed, count


def replace(fence, path, text):
    staged = fence.staged(path)
    try:
        staged.write_text(text)
        fence.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def become_holder(directory, text):
    """Gets the token, reads what is there, and replaces it twice; returns what was read."""
    fence = Fence(directory / TOKENS)
    file = directory / "file"
    found = file.read_text() if file.exists() else None
    replace(fence, file, text)
    replace(fence, file, f"{text} again")
    return found


def test_the_latest_holder_replaces_and_no_other(tmp_path):
    first = Fence(tmp_path / TOKENS)
    replace(first, tmp_path / "file", "first")
    staged = first.staged(tmp_path / "file")
    staged.write_text("zombie")
    second = Fence(tmp_path / TOKENS)
    assert (first.token, second.token) == (1, 2)
    # Nothing bears the first one's token any more.
    assert os.listdir(tmp_path / TOKENS) == ["000002"]
    with pytest.raises(LeaseLostError, match=rf"taken the directory over.*directory='{tmp_path}'"):
        replace(first, tmp_path / "file", "zombie")
    assert (tmp_path / "file").read_text() == "first"
    replace(second, tmp_path / "file", "second")
    assert (tmp_path / "file").read_text() == "second"


def test_a_rename_after_the_last_check_fails(tmp_path, monkeypatch):
    """The zombie has looked, and is stopped before it renames; its file is a directory too."""
    first = Fence(tmp_path / TOKENS)
    for name in ("file", "directory"):
        staged = first.staged(tmp_path / name)
        staged.write_text("zombie") if name == "file" else (staged / "deep").mkdir(parents=True)
        first.check()
        first = Fence(tmp_path / TOKENS)
        with monkeypatch.context() as patch:
            patch.setattr(first, "check", lambda: None)
            with pytest.raises(FileNotFoundError):
                first.replace(staged, tmp_path / name)
        assert os.listdir(tmp_path) == [TOKENS]


def test_whenever_a_zombie_wakes_nothing_of_it_is_read(tmp_path):
    """One stops after any operation, the next one after any too; then the first wakes, and both end."""
    (tmp_path / "count").mkdir()
    total = count(lambda: become_holder(tmp_path / "count", "x"))
    lost = 0
    for stops in itertools.product(range(total + 1), range(total + 6)):
        place = tmp_path / "-".join(map(str, stops))
        place.mkdir()
        one, two = (Actor(lambda place=place, text=text: become_holder(place, text)) for text in ("one", "two"))
        one.advance(stops[0])
        two.advance(stops[1])
        one.advance()
        two.advance()
        (winner, text), (loser, other) = sorted(
            [(one, "one"), (two, "two")], key=lambda pair: pair[0].error is not None
        )
        assert winner.error is None, stops
        assert loser.error is None or isinstance(loser.error, LeaseLostError), stops
        lost += loser.error is not None
        if loser.error is None:
            # One was wholly before the other, who has read its last word.
            assert sorted([one.result or "", two.result or ""])[0] == "", stops
            assert {one.result, two.result} - {None} in ({"one again"}, {"two again"}), stops
        else:
            assert winner.result in (None, other, f"{other} again"), stops
            assert (place / "file").read_text() == f"{text} again", stops
            assert len(os.listdir(place / TOKENS)) == 1, stops
    assert lost > total


def test_a_kill_anywhere_leaves_what_the_next_one_can_replace(tmp_path):
    (tmp_path / "count").mkdir()
    total = count(lambda: become_holder(tmp_path / "count", "x"))
    for stop in range(total):
        place = tmp_path / str(stop)
        place.mkdir()
        killed = Actor(lambda place=place: become_holder(place, "killed"))
        killed.advance(stop)
        killed.kill()
        assert isinstance(killed.error, Killed), (stop, total)
        assert become_holder(place, "next") in (None, "killed", "killed again")
        assert sorted(os.listdir(place)) == [TOKENS, "file"]
        assert len(os.listdir(place / TOKENS)) == 1


def test_tokens_rise_over_releases_and_takeovers(tmp_path):
    for expected in (1, 2):
        with held(tmp_path) as token:
            assert token == expected
            write_atomically(tmp_path / "file", "x")
    (tmp_path / LEASE).write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease, "GRACE_SECONDS", 0.1)
        with held(tmp_path) as token:
            assert token == 3
    assert os.listdir(tmp_path / TOKENS) == ["000003"]


def test_files_in_a_directory_that_is_held_are_behind_its_fence(tmp_path):
    (tmp_path / "beside").mkdir()
    with pytest.raises(LeaseLostError), held(tmp_path / "run"):  # noqa: PT012
        path = tmp_path / "run" / "deep" / "file"
        path.parent.mkdir()
        fence = fence_of(path)
        assert fence.directory == tmp_path / "run" / TOKENS
        assert fence_of(tmp_path / "beside" / "file") is None
        write_atomically(path, "kept")
        with new_file(path) as partial:
            assert partial.parent == fence.directory
            partial.write_text("zombie")
            Fence(fence.directory)
    assert path.read_text() == "kept"
    assert os.listdir(tmp_path / "run" / TOKENS) == ["000002"]


def put(place, text):
    """Puts a directory in place of another, as one who holds what is around it."""
    with held(place), replaced_directory(place / "target") as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "file").write_text(text)


def test_a_directory_of_a_zombie_is_never_put_in_place(tmp_path, monkeypatch):
    """It may move aside what is there, and puts it back."""
    monkeypatch.setattr(lease, "_clear", lambda path, _: path.unlink(missing_ok=True))
    put(tmp_path / "count", "x")
    total, kept = count(lambda: put(tmp_path / "count", "y")), []
    for stop in range(total):
        place = tmp_path / str(stop)
        put(place, "old")
        zombie = Actor(lambda place=place: put(place, "zombie"))
        zombie.advance(stop)
        put(place, "later")
        zombie.advance()
        kept.append((place / "target" / "deep" / "file").read_text())
        assert zombie.error is None or isinstance(zombie.error, LeaseLostError), stop
        assert zombie.error is None or kept[-1] == "later", stop
        assert [name for name in os.listdir(place) if name not in (TOKENS, LEASE)] == ["target"], stop
    # The zombie's is there only where it came later itself: it was stopped before it had the lease.
    assert kept == ["zombie"] * kept.index("later") + ["later"] * (total - kept.index("later"))
    assert kept.index("later") < 4


def test_an_error_names_the_file_and_not_what_is_behind_the_fence(tmp_path):
    with held(tmp_path):
        (tmp_path / "file").mkdir()
        (tmp_path / "file" / "x").touch()
        with pytest.raises(IsADirectoryError, match=rf"'{tmp_path / 'file'}'"):
            write_atomically(tmp_path / "file", "x")
        assert os.listdir(tmp_path / TOKENS) == ["000001"]
