import socket

import pytest

from mmtrans.search.cluster import ADDRESS, PORT, TUNER_ID, Member, join_cluster


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_process_is_alone_unless_told_otherwise():
    assert join_cluster({}) == Member()
    assert [Member().is_chief, Member().is_worker, Member().is_exposed] == [False] * 3


def test_the_loopback_is_the_default():
    environ = {TUNER_ID: "chief", PORT: str(free_port())}
    member = join_cluster(environ)
    assert (member.is_chief, member.is_worker, member.is_exposed) == (True, False, False)
    assert environ[ADDRESS] == member.address == "127.0.0.1"
    worker = join_cluster({TUNER_ID: "tuner3", PORT: "8000", ADDRESS: "10.0.0.7"})
    assert (worker.is_chief, worker.is_worker, worker.is_exposed) == (False, True, True)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({TUNER_ID: "chief"}, "half set up. .*Received: .*chief"),
        ({PORT: "8000", ADDRESS: "127.0.0.1"}, "half set up"),
        ({TUNER_ID: "tuner0", PORT: "x"}, "No port. Expected 1 to 65535. Received: KERASTUNER_ORACLE_PORT=x"),
        ({TUNER_ID: "tuner0", PORT: "70000"}, "No port"),
        ({TUNER_ID: "a/b", PORT: "7000"}, "no slash"),
        ({TUNER_ID: "chief", PORT: "7000", ADDRESS: "192.0.2.1"}, "The chief cannot listen there"),
    ],
)
def test_a_bad_environment_is_refused(environ, message):
    with pytest.raises(ValueError, match=message):
        join_cluster(environ)


def test_a_port_that_is_taken_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ValueError, match="Choose another"):
        join_cluster({TUNER_ID: "chief", PORT: str(server.getsockname()[1])})
