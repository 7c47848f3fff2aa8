import contextlib

import pytest

from mmtrans.config import Config
from mmtrans.search import tuner
from mmtrans.search.plan import Search
from tests.search.engines import ClockEngine
from tests.search.formula import SPACE, Work


@pytest.fixture
def search(tmp_path):
    config = Config(recipe="T->A", seed=3, epochs=9)
    search = Search(tmp_path / "out", tmp_path / "records", "abc", config, SPACE, "random", "mae")
    search.path.mkdir()
    search.save()
    return search


@pytest.fixture
def work(monkeypatch):
    """Trainings that are but a formula, on an engine of one worker unless a test gives it more."""
    work = Work()

    def opened(*_, **__):
        work.engine = ClockEngine(work, work.slots, work.seconds)
        return contextlib.nullcontext(work.engine)

    monkeypatch.setattr(tuner, "opened", opened)
    monkeypatch.setattr(tuner, "Trainer", lambda *_, **__: work)
    return work
