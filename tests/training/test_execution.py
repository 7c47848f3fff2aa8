import json
import os

import pytest

from mmtrans.training.execution import (
    Cluster,
    Execution,
    WorkerLostError,
    cluster_of,
    operation_threads,
    set_operation_threads,
)

ADDRESSES = ["a:1", "b:1"]


def environment(jobs, kind, index):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"strategy": "mirrored", "workers": 0},
            "--workers is out of range. Expected at least 1. Received: workers=0.",
        ),
        ({"workers": 2}, "Expected --strategy mirrored or multiworker. Received: strategy=auto, workers=2."),
        ({"strategy": "none", "workers": 1}, "Received: strategy=none, workers=1."),
        ({"checkpoint_minutes": -1.0}, "--checkpoint-minutes is out of range."),
        ({"checkpoint_minutes": float("nan")}, "Received: checkpoint_minutes=nan."),
        ({"checkpoint_minutes": float("inf")}, "Received: checkpoint_minutes=inf."),
    ],
)
def test_bad_values_are_named(fields, message):
    with pytest.raises(ValueError, match=r"Received") as caught:
        Execution(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("jobs", "kind", "index", "expected"),
    [
        ({"worker": ADDRESSES}, "worker", 0, Cluster(0, 2)),
        ({"worker": ADDRESSES}, "worker", 1, Cluster(1, 2)),
        ({"worker": ADDRESSES}, "worker", "1", Cluster(1, 2)),
        ({"worker": ADDRESSES, "chief": ["c:1"]}, "chief", 0, Cluster(0, 3)),
        ({"worker": ADDRESSES, "chief": ["c:1"]}, "worker", 1, Cluster(2, 3)),
    ],
)
def test_the_place_in_a_cluster(jobs, kind, index, expected):
    assert cluster_of(environment(jobs, kind, index), Execution("multiworker")) == expected


@pytest.mark.parametrize("given", [{}, {"TF_CONFIG": " "}])
def test_without_tf_config_there_is_no_cluster(given):
    assert cluster_of(given, Execution("multiworker", 2)) is None


@pytest.mark.parametrize(
    "given",
    [
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": "[]"},
        {"TF_CONFIG": "{}"},
        environment({"worker": ADDRESSES}, "worker", 2),
        environment({"worker": ADDRESSES}, "evaluator", 0),
        environment({"worker": ADDRESSES}, "worker", None),
        environment(["a:1"], "worker", 0),
    ],
)
def test_a_tf_config_that_is_not_understood(given):
    with pytest.raises(ValueError, match=r'TF_CONFIG is not understood\. Expected {"cluster".*Received: TF_CONFIG='):
        cluster_of(given, Execution("multiworker"))


def test_workers_and_tf_config_must_agree():
    given = environment({"worker": ADDRESSES}, "worker", 0)
    assert cluster_of(given, Execution("multiworker", 2)) == Cluster(0, 2)
    with pytest.raises(ValueError, match=r"do not agree\. Expected 2.*Received: workers=3"):
        cluster_of(given, Execution("multiworker", 3))


def test_a_lost_worker_is_one_sentence_with_the_remedy():
    assert str(WorkerLostError("worker=1, signal=9")) == (
        "A worker was lost. Expected all of them to run to the end. Received: worker=1, signal=9. "
        "The same command goes on from the last checkpoint."
    )


def test_an_operation_has_half_of_the_cores_or_all_of_them_where_a_text_encoder_moves(monkeypatch):
    assert [operation_threads(cores) for cores in (1, 2, 3, 16)] == [1, 1, 1, 8]
    assert [operation_threads(cores, tunes_text=True) for cores in (1, 2, 3, 16)] == [1, 2, 3, 16]
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(12)))
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    set_operation_threads()
    assert os.environ.pop("TF_NUM_INTRAOP_THREADS") == "6"
    set_operation_threads(tunes_text=True)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "12"
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    set_operation_threads()
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "3"
