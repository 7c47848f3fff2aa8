import pytest

from mmtrans.engine.local import local_cluster
from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions
from tests.engine.works import Deeds


@pytest.mark.slow
def test_who_submits_is_told_of_a_worker_that_joins_while_others_are_at_work(tmp_path):
    work, room = Deeds(tmp_path), []
    with (
        local_cluster(1) as cluster,
        opened(EngineOptions(scheduler=cluster.scheduler_address), work, quiet=True) as engine,
    ):

        def take_room():
            room.append(engine.slots)
            engine.submit("second", "2")

        engine.on_room = take_room
        # Ends when the second one, which waits for a worker of its own, has begun.
        engine.submit("await second", "1")
        assert engine.slots == 1
        cluster.scale(2)
        tasks = [outcome.task for outcome in engine.outcomes()]
    assert room == [2]
    assert sorted(tasks) == ["await second", "second"]
    assert work.done() == ["await second", "second"]
