"""What a search's trainings leave, with trainings that only write who did them."""

import pytest

from mmtrans.search.plan import Training
from mmtrans.search.work import Trainer
from mmtrans.system.lease import LeaseLostError


@pytest.fixture
def training(tiny, small_dir):
    return Training("0004/seed-1", tiny(epochs=3), small_dir, None)


class Writing(Trainer):
    """Trains by appending a letter to a file, in place of an epoch, until there are `epochs`."""

    letter = "a"
    fails_at = 99

    def _train(self, training, path):
        path.mkdir(exist_ok=True)
        file = path / "epochs"
        while len(text := file.read_text() if file.exists() else "") < training.config.optimisation.epochs:
            if len(text) == self.fails_at:
                raise KeyboardInterrupt
            (path / "new").write_text(text + self.letter)
            (path / "new").rename(file)
        return {"value": 1.0, "epochs": len(text)}


def writing(path, letter, era=1, fails_at=99, member=None):
    trainer = Writing(path, "mae", era=era, member=member)
    object.__setattr__(trainer, "letter", letter)
    object.__setattr__(trainer, "fails_at", fails_at)
    # The search makes it.
    trainer.work_path.mkdir(exist_ok=True)
    return trainer


def published(path):
    return (path / "trials/0004/seed-1/epochs").read_text()


def test_a_training_goes_on_in_an_attempt_of_its_own_and_is_then_published(training, tmp_path):
    first = writing(tmp_path, "a", fails_at=2)
    with pytest.raises(KeyboardInterrupt):
        first(training)
    assert not (tmp_path / "trials").exists()
    # Of the next command.
    second = writing(tmp_path, "b", era=2)
    second.clear()
    assert second(training) == {"value": 1.0, "epochs": 3}
    # A worker that was believed dead may yet write in the first one's place, and end.
    (zombie,) = (tmp_path / "work").glob("*/000001.*/run")
    writing(tmp_path, "x")._train(training, zombie)
    second.publish(training)
    assert published(tmp_path) == "aab"
    assert list((tmp_path / "work").iterdir()) == []
    second.forget()
    assert not (tmp_path / "work").exists()


def test_what_an_earlier_version_began_in_its_place_goes_on(training, tmp_path):
    """As does a run that hyperband gives more epochs."""
    place = tmp_path / "trials/0004/seed-1"
    place.mkdir(parents=True)
    (place / "epochs").write_text("z")
    trainer = writing(tmp_path, "a")
    trainer(training)
    assert published(tmp_path) == "z"
    trainer.publish(training)
    assert published(tmp_path) == "zaa"


def test_what_a_later_command_asks_for_is_not_published_by_an_earlier_one(training, tmp_path):
    early, late = writing(tmp_path, "a", era=1), writing(tmp_path, "b", era=2, fails_at=3)
    early(training)
    late(training)
    with pytest.raises(LeaseLostError):
        early.publish(training)
    with pytest.raises(LeaseLostError):
        early(training)
    late.publish(training)
    assert published(tmp_path) == "aaa"


def test_workers_of_a_cluster_have_attempts_of_their_own(training, tmp_path):
    one, other = writing(tmp_path, "a", era=5, member="tuner1"), writing(tmp_path, "b", member="tuner2")
    one.clear()
    one(training)
    other(training)
    other.publish(training)
    other.forget()
    assert published(tmp_path) == "bbb"
    assert [path.name for path in tmp_path.glob("work*")] == ["work-tuner1"]


def test_a_training_that_fails_leaves_what_was_published(training, tmp_path):
    place = tmp_path / "trials/0004/seed-1"
    place.mkdir(parents=True)
    (place / "epochs").write_text("z")
    with pytest.raises(KeyboardInterrupt):
        writing(tmp_path, "a", fails_at=2)(training)
    assert published(tmp_path) == "z"
