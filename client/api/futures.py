"""Defines ``TaskFuture``: a task as a ``concurrent.futures`` future, for ``wait`` and ``as_completed``."""

from concurrent.futures import CancelledError, Future
from typing import Any

from cloudkon.errors import CloudKonError
from cloudkon.model import Result, TaskId, TaskState


class TaskFailed(CloudKonError):
    """A task failed for good; ``recorded`` is its result from the ledger."""

    def __init__(self, recorded: Result) -> None:
        """Name the task, its attempts and its handler's error."""
        super().__init__(f"task {recorded.task} failed, attempt {recorded.attempts}: {recorded.error}")
        self.recorded = recorded

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the result: another process gets the whole error."""
        return type(self), (self.recorded,)


def output_of(recorded: Result) -> str:
    """Return the task's output. Raises ``TaskFailed`` if it failed, ``CancelledError`` if it was cancelled."""
    if recorded.state is TaskState.FAILED:
        raise TaskFailed(recorded)
    if recorded.state is TaskState.CANCELLED:
        raise CancelledError(f"task {recorded.task} was cancelled")
    return recorded.output


class TaskFuture(Future[str]):
    """One task's future.

    ``result()`` returns the task's output, ``exception()`` the ``TaskFailed`` of a task that failed. When its run is
    cancelled, the future is cancelled. Once it is done, ``recorded`` is the result from the ledger, with attempts,
    seconds and worker.
    """

    def __init__(self, task: TaskId) -> None:
        """Start without a result."""
        super().__init__()
        self.task = task
        self.recorded: Result | None = None

    def cancel(self) -> bool:
        """Return ``False``: one task can't be cancelled alone. The run's ``cancel`` cancels all of its tasks."""
        return False

    def settle(self, recorded: Result) -> None:
        """Complete the future with the task's result. Callbacks are called in this thread."""
        self.recorded = recorded
        if recorded.state is TaskState.SUCCEEDED:
            self.set_result(recorded.output)
        elif recorded.state is TaskState.FAILED:
            self.set_exception(TaskFailed(recorded))
        else:
            self.give_up()

    def give_up(self) -> None:
        """Complete the future as cancelled: no result will come."""
        super().cancel()
        # Only this call notifies ``wait`` and ``as_completed``.
        self.set_running_or_notify_cancel()
