import itertools
import subprocess
import sys

import pytest

from mmtrans.system.attempts import attempt, finished, remove_superseded
from mmtrans.system.files import write_atomically
from mmtrans.system.lease import LeaseLostError
from tests.system.stepping import Actor, Killed, count

CLAIM = (
    "import sys\nfrom pathlib import Path\nfrom mmtrans.system.attempts import attempt\nsys.stdin.read(1)\n"
    "for _ in range(25):\n    with attempt(Path(sys.argv[1])) as path:\n        print(path.name)\n"
)


def take_over(earlier, new):
    """Of a toy work: the steps that are done, a file each, whole or absent."""
    for file in sorted(earlier.glob("step-*")):
        write_atomically(new / file.name, file.read_text())


def work(place, era=0, who="", steps=2):
    """Does the steps that are not done, each with the name of who did it; returns the directory and what was copied."""
    with attempt(place, era, take_over) as path:
        copied = sorted(file.name for file in path.glob("step-*"))
        for step in range(len(copied), steps):
            write_atomically(path / f"step-{step}", who)
        return path.name, copied


def steps_of(path):
    return {file.name: file.read_text() for file in sorted(path.glob("step-*"))}


def tokens(place):
    return sorted(path.name for path in place.iterdir())


def test_tokens_rise_and_the_highest_that_is_done_is_read(tmp_path):
    place = tmp_path / "work"
    assert finished(place) is None
    with attempt(place) as first:
        assert finished(place) is None
        (first / "x").touch()
    assert finished(place) == first
    with attempt(place, take_over=lambda earlier, new: (earlier / "x").rename(new / "y")) as second:
        assert finished(place) is None
        assert (second / "y").exists()
    assert tokens(place) == ["000000.000001", "000000.000002"]
    assert finished(place) == second
    assert finished(place, era=1) is None


def test_nothing_is_begun_once_the_command_has_removed_its_place(tmp_path):
    """As by a worker that was stopped, and reads what it was asked for when all is done."""
    with pytest.raises(LeaseLostError), attempt(tmp_path / "attempts" / "work"):
        pytest.fail("the work was begun")
    assert not list(tmp_path.iterdir())


def test_after_an_exception_a_work_is_not_done(tmp_path):
    with pytest.raises(KeyError), attempt(tmp_path):
        raise KeyError
    assert finished(tmp_path) is None
    with pytest.raises(FileNotFoundError, match="gone"), attempt(tmp_path):
        (tmp_path / "gone").read_text()
    assert work(tmp_path)[0] == "000000.000003"


def test_of_many_processes_each_claims_its_own(tmp_path):
    many = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    claimed = []
    for process in many:
        process.stdin.write("x")
        process.stdin.flush()
    for process in many:
        claimed += process.communicate()[0].split()
    assert sorted(claimed) == tokens(tmp_path) == [f"000000.{number:06d}" for number in range(1, 101)]


def test_a_zombie_that_wakes_anywhere_is_not_read(tmp_path):
    """One stops after any operation, the next one after any too; then the first wakes, and both end."""
    total = count(lambda: work(tmp_path / "count"))
    for stops in itertools.product(range(total + 1), range(0, total + 8, 3)):
        place = tmp_path / "-".join(map(str, stops))
        zombie, later = (Actor(lambda place=place, who=who: work(place, who=who)) for who in ("zombie", "later"))
        for actor, stop in zip((zombie, later), stops, strict=True):
            actor.advance(stop)
        for actor in (zombie, later):
            actor.advance()
            assert actor.error is None, (stops, actor.error)
        assert tokens(place) == sorted([zombie.result[0], later.result[0]])
        # Each writes in its own directory alone, and what is copied is whole.
        for actor, who, other in ((zombie, "zombie", "later"), (later, "later", "zombie")):
            name, copied = actor.result
            done = steps_of(place / name)
            assert done == {step: other if step in copied else who for step in ("step-0", "step-1")}, stops
        assert finished(place) == place / max(zombie.result[0], later.result[0]), stops


def test_a_kill_anywhere_leaves_a_work_that_goes_on(tmp_path):
    """One is killed before any operation, so is the next, and the third ends with every step, each done once."""
    total = count(lambda: work(tmp_path / "count"))
    for stops in itertools.product(range(total + 1), range(0, total + 8, 4)):
        place, safe = tmp_path / "-".join(map(str, stops)), {}
        for who, stop in zip("ab", stops, strict=True):
            actor = Actor(lambda place=place, who=who: work(place, who=who))
            if actor.advance(stop):
                assert finished(place) is None
                actor.kill()
                assert isinstance(actor.error, Killed)
            begun = [steps_of(path) for path in sorted(place.glob("*")) if (path / "begun").exists()]
            # Nothing that was safe is lost.
            assert not begun or safe.items() <= begun[-1].items(), stops
            safe = begun[-1] if begun else {}
        name, copied = work(place, who="c")
        assert copied == list(safe)
        assert finished(place) == place / name
        assert steps_of(place / name) == {step: safe.get(step, "c") for step in ("step-0", "step-1")}


def test_superseded_attempts_are_removed_and_the_zombie_is_told(tmp_path):
    zombie = Actor(lambda: work(tmp_path, who="zombie"))
    zombie.advance(count(lambda: work(tmp_path.with_name("count"))) - 4)
    with pytest.raises(KeyError), attempt(tmp_path, take_over=take_over):
        raise KeyError
    killed = Actor(lambda: work(tmp_path, who="killed"))
    killed.advance(3)
    killed.kill()
    # The third has copied nothing yet, so the second is still to be copied from.
    assert tokens(tmp_path) == ["000000.000001", "000000.000002", "000000.000003"]
    remove_superseded(tmp_path)
    assert tokens(tmp_path) == ["000000.000002", "000000.000003"]
    zombie.advance()
    assert isinstance(zombie.error, LeaseLostError)
    name, copied = work(tmp_path)
    assert (name, copied) == ("000000.000004", ["step-0"])
    remove_superseded(tmp_path)
    assert tokens(tmp_path) == [name]


def test_a_later_command_is_not_disturbed_by_an_earlier_one(tmp_path):
    """Even where the place was removed in between, and a zombie makes its directory again."""
    place = tmp_path / "work"
    zombie = Actor(lambda: work(place, era=7, who="zombie"))
    zombie.advance(3)
    (path,) = place.iterdir()
    path.rmdir()
    place.rmdir()
    place.mkdir()
    (place / path.name).mkdir()
    zombie.advance()
    assert (place / path.name / "done").exists()
    assert finished(place, era=8) is None
    name, _ = work(place, era=8, who="later")
    assert name == "000008.000001"
    assert finished(place, era=8) == place / name
    assert finished(place, era=7) is None
    with pytest.raises(LeaseLostError):
        work(place, era=7)
    place.rename(tmp_path / "gone")
    late = Actor(lambda: work(place, era=7))
    late.advance(2)
    place.rmdir()
    late.advance()
    assert isinstance(late.error, LeaseLostError)
