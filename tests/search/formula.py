"""Searches with trainings that are but a formula."""

from mmtrans.engine.options import EngineOptions
from mmtrans.search import tuner
from mmtrans.search.cluster import Member
from mmtrans.search.oracles import Durable

SPACE = {"units": [2, 4, 6, 8], "dropout": {"low": 0.1, "high": 0.3, "step": 0.1}}


class Work:
    """A `Trainer` whose trainings give |units - 6| + dropout + seed / 100 + 1 / epochs, and fail where `fails` says so.

    Attributes:
        done: name and epochs of each training that was begun.
        slots: number of workers of the next engine.
        seconds: training → how long it takes.
        engine: the last engine that was opened.
    """

    def __init__(self):
        self.done = []
        self.fails = lambda config: False
        self.slots = 1
        self.seconds = lambda training: 1.0
        self.engine = None

    def __call__(self, training):
        self.done.append((training.name, training.config.optimisation.epochs))
        config = training.config
        if self.fails(config):
            raise FloatingPointError(f"Broke with {config.encoder.units} units.")
        value = (
            abs(config.encoder.units - 6)
            + config.encoder.dropout
            + config.plan.seed / 100
            + 1 / config.optimisation.epochs
        )
        return {"value": value, "epochs": config.optimisation.epochs}

    def clear(self):
        pass

    def publish(self, training):
        pass

    def forget(self):
        pass

    work_path = None


def run(search, trials, quiet=True, member=Member()):  # noqa: B008
    return tuner.run_search(search, trials, member, EngineOptions(), quiet=quiet)


def facts(trials):
    return [(trial.name, trial.origin, trial.parameters, trial.max_epochs, trial.value) for trial in trials]


def interrupt_writes(monkeypatch, writes):
    """Has each write of an oracle count `writes["left"]` down; at 0 it raises KeyboardInterrupt in place of writing."""

    def dying(method):
        def call(self, *arguments):
            writes["left"] -= 1
            if not writes["left"]:
                raise KeyboardInterrupt
            return method(self, *arguments)

        return call

    for name in ("save", "_save_trial"):
        monkeypatch.setattr(Durable, name, dying(getattr(Durable, name)))
