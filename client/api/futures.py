"""Futures: tasks as ``concurrent.futures`` knows them, so that ``wait`` and ``as_completed`` take them."""

from concurrent.futures import CancelledError, Future
from typing import Any

from cloudkon.errors import CloudKonError
from cloudkon.model import Result, TaskId, TaskState


class TaskFailed(CloudKonError):
    """A task failed for good; ``recorded`` is its result as the ledger has it."""

    def __init__(self, recorded: Result) -> None:
        """Say which one, and what its handler said."""
        super().__init__(f"task {recorded.task} failed, attempt {recorded.attempts}: {recorded.error}")
        self.recorded = recorded

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross from process to process whole."""
        return type(self), (self.recorded,)


def output_of(recorded: Result) -> str:
    """What the task gave. Raises ``TaskFailed`` where it failed, ``CancelledError`` where it was cancelled."""
    if recorded.state is TaskState.FAILED:
        raise TaskFailed(recorded)
    if recorded.state is TaskState.CANCELLED:
        raise CancelledError(f"task {recorded.task} was cancelled")
    return recorded.output


class TaskFuture(Future[str]):
    """What will become of one task.

    ``result()`` gives its output, ``exception()`` a ``TaskFailed`` that says why there is none. A task of a run that
    was cancelled is cancelled. ``recorded`` is all that the ledger has of it, once it is done: attempts, seconds,
    worker.
    """

    def __init__(self, task: TaskId) -> None:
        """Nothing is known of it yet."""
        super().__init__()
        self.task = task
        self.recorded: Result | None = None

    def cancel(self) -> bool:
        """Do nothing, and say so: a task can't be taken back alone. The run's ``cancel`` ends all of its tasks."""
        return False

    def settle(self, recorded: Result) -> None:
        """End with the task's result. Its callbacks are called in this thread."""
        self.recorded = recorded
        if recorded.state is TaskState.SUCCEEDED:
            self.set_result(recorded.output)
        elif recorded.state is TaskState.FAILED:
            self.set_exception(TaskFailed(recorded))
        else:
            self.give_up()

    def give_up(self) -> None:
        """End as cancelled: no result will come."""
        super().cancel()
        # Only this tells those who wait for several futures.
        self.set_running_or_notify_cancel()
