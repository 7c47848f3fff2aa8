"""A stand-in for the worker processes of a grid or a search."""

from mmtrans.workers.pool import FAILURES, Outcome


class InlinePool:
    """Does tasks in this process, with what a pool would send to its workers."""

    def __init__(self, work, _):
        self.work = work
        self.tasks = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def num_busy(self):
        return len(self.tasks)

    def submit(self, task):
        self.tasks.append(task)

    def outcomes(self):
        task = self.tasks.pop()
        try:
            yield Outcome(task, self.work(task))
        except FAILURES as error:
            yield Outcome(task, reason=str(error))
