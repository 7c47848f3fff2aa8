import os
import signal

import pytest

from mmtrans.system.interrupts import Terminated, deferred, handled


@pytest.fixture(autouse=True)
def _heard():
    """Ctrl-C reaches this process, even where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def come(number):
    os.kill(os.getpid(), number)


def test_sigterm_is_heard_within_the_context_only():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), handled():
        come(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), handled():
        come(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with handled():
            come(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_the_first_signal_waits_until_the_work_is_safe(number, error):
    done = []
    with pytest.raises(error), handled(), deferred() as is_stopped:  # noqa: PT012
        assert not is_stopped()
        come(number)
        done.append(is_stopped())
    assert done == [True]


def test_the_second_signal_does_not_wait():
    done = []
    with pytest.raises(Terminated), handled(), deferred():  # noqa: PT012
        come(signal.SIGINT)
        come(signal.SIGTERM)
        done.append("more")
    assert done == []
    # Nothing of it is left for the next one.
    with handled(), deferred() as is_stopped:
        assert not is_stopped()
