"""A cluster's check tells workers that are gone from workers that lack something."""

import errno

import pytest
from distributed.comm.core import CommClosedError

import mmtrans
from mmtrans.engine.checks import check_workers
from mmtrans.engine.fitness import Fitness

FIT, OTHER = "tcp://fit:1", "tcp://other:1"


class Client:
    """A client of two workers: one is fit, and the other one answers every question by an exception."""

    def __init__(self, answer):
        self.answer = answer

    def scheduler_info(self, n_workers):
        return {"workers": {address: {"nthreads": 1, "name": address} for address in (FIT, OTHER)}}

    def run(self, question, *args, on_error):
        assert on_error == "return"
        return {FIT: mmtrans.__version__ if args == ("mmtrans:__version__",) else None, OTHER: self.answer}


@pytest.mark.parametrize(
    "answer", [CommClosedError("in <TCP>: Stream is closed"), OSError("Timed out trying to connect to tcp://other:1")]
)
def test_a_worker_that_is_gone_is_passed_over(answer):
    check_workers(Client(answer), Fitness({}, {}), {})


@pytest.mark.parametrize(
    "answer", [ModuleNotFoundError("No module named 'mmtrans'"), PermissionError(errno.EACCES, "no")]
)
def test_a_worker_that_cannot_import_is_named(answer):
    with pytest.raises(ValueError, match=f"^A worker cannot import mmtrans.*{type(answer).__name__}.*{OTHER}"):
        check_workers(Client(answer), Fitness({}, {}), {})
