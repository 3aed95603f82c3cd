"""Defines ``FleetRun``: a run in the Python interface, to wait for, read, retry, pull and cancel."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import cached_property, partial
from pathlib import Path

from cloudkon.errors import InvalidInput
from cloudkon.model import Result, Run, TaskId
from cloudkon.ports import Services

from ..dead_letters.dead_letters import DeadLetter
from ..follow.result_stream import LOG, ResultStream
from ..follow.run_counts import RunCounts
from ..follow.stranded import RunStranded, missing_text
from ..follow.wait import check, wait_for
from ..records.runs import cancel
from ..results.failures import FailureKind, Failures
from ..results.pull import Pulled, pull
from ..results.results import results
from ..results.retry import failed, lost, write_chosen
from ..results.selection import Selection, selected
from .fleet_connection import FleetConnection
from .following import follow
from .futures import TaskFuture
from .submission import submit_workload

OnCounts = Callable[[RunCounts, int], None]
"""Called with a run's counts, and the number of its tasks that are known to have ended."""


class FleetRun:
    """One run of a fleet. It goes on without this object; ``Fleet.run(id)`` opens it again.

    Ordered results are in the order of the submitted instructions. For a run that was opened by its id they are in the
    order of the tasks' numbers, which is the same order if one pool runs the whole run.
    """

    def __init__(self, connection: FleetConnection, run: Run, order: Sequence[int] | None = None) -> None:
        """``order`` is each instruction's task number, by default 0, 1, 2 and so on."""
        self._connection = connection
        self._run = run
        self._order = range(run.count) if order is None else order

    @property
    def id(self) -> str:
        """The run's id, for ``python -m client`` and ``Fleet.run``."""
        return self._run.id

    @property
    def parent(self) -> str:
        """The id of the run whose failures it retries, or an empty string."""
        return self._run.parent

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that run its tasks."""
        return tuple(part.pool for part in self._run.ranges)

    def __len__(self) -> int:
        """The number of its tasks."""
        return self._run.count

    def __repr__(self) -> str:
        return f"<run {self.id}: {len(self):,} tasks>"

    def results(self, timeout: float | None = None) -> Iterator[Result]:
        """Yield each task's result once, as they come, in no order, until the run is over.

        Results come from the result queue, and from some hundred readings of the ledger in an hour. Tasks that were
        not sent before the run was cancelled have no result. Another call yields all results again.
        Raises ``TimeoutError`` after ``timeout`` seconds, or up to two seconds later, ``RunStranded`` when all missing
        tasks have been in dead-letter queues for a minute, and what the services raise.
        """
        stream = ResultStream(self._connection.services, self._run)
        left = _countdown(timeout)
        while some := self._connection.call(lambda _: stream.more(), self._go_on, left()):
            yield from some

    def recorded(self, selection: Selection = Selection()) -> Iterator[Result]:  # noqa: B008  (frozen)
        """Yield the results recorded so far, or those of a selection; memory doesn't grow with their number."""
        return self._connection.portal.iterate(partial(selected, self._connection.services, self._run, selection))

    def in_order(self, timeout: float | None = None) -> Iterator[Result]:
        """Yield each task's result in order, as soon as all results before it have been yielded.

        Results that come early are kept in memory. Raises ``CancelledError`` at a task that was not sent before the run
        was cancelled, and what ``results`` raises.
        """
        early: dict[int, Result] = {}
        coming = self.results(timeout)
        for seq in self._order:
            while seq not in early:
                found = next(coming, None)
                if found is None:
                    raise CancelledError(f"run {self.id} was cancelled before all of it was sent")
                early[found.task.seq] = found
            yield early.pop(seq)

    @cached_property
    def futures(self) -> Sequence[TaskFuture]:
        """A ``concurrent.futures`` future for each task, in order; each takes a kilobyte or two.

        The first access starts to follow the results in the background. Callbacks are called one after another, and
        may use the fleet. If following fails, every future that is not done fails with the same error.
        """
        by_seq = [TaskFuture(TaskId(self.id, seq)) for seq in range(len(self))]
        self._connection.portal.start(lambda: follow(ResultStream(self._connection.services, self._run), by_seq))
        return [by_seq[seq] for seq in self._order]

    def check(self) -> RunCounts:
        """Count the tasks by state."""
        return self._connection.call(lambda services: check(services, self._run), self._go_on)

    def wait(
        self,
        timeout: float | None = None,
        on_counts: OnCounts | None = None,
        *,
        on_tally: OnCounts | None = None,
    ) -> RunCounts:
        """Wait until the run is over, and return its tasks' counts by state.

        ``on_counts`` is called with each count on the way, and the number of tasks that are known to have ended;
        ``on_tally`` is its old name. Raises ``TimeoutError`` after ``timeout`` seconds, ``RunStranded`` when all
        missing tasks have been in dead-letter queues for a minute, ``InvalidInput`` if both callbacks are given.
        """
        if on_counts and on_tally:
            raise InvalidInput("on_tally", "it is the old name of on_counts, which is given too", "Give on_counts only")

        def give_up(letters: Sequence[DeadLetter]) -> None:
            raise RunStranded(self._run, letters)

        def warn(tasks: int) -> None:
            LOG.warning(missing_text(self._run, tasks))

        async def work(services: Services) -> RunCounts:
            callback = on_counts or on_tally or _ignore
            return await wait_for(services, self._run, callback, on_stranded=give_up, on_missing=warn)

        return self._connection.call(work, self._go_on, timeout)

    def failures(self) -> list[FailureKind]:
        """Group the failed tasks by their errors, the most frequent kind first, with an example of each."""

        async def work(services: Services) -> list[FailureKind]:
            failures = Failures()
            async for result in results(services.ledger, self._run):
                failures.add(result)
            return failures.kinds()

        return self._connection.call(work, self._go_on)

    def retry(self, *, lost_only: bool = False, chunk: int | str | None = None) -> "FleetRun":
        """Push the failed tasks again as a new run; with ``lost_only`` those whose workers died while they ran.

        ``chunk`` is by default this run's chunk size. Raises ``InvalidInput`` if no such task failed.
        """
        with tempfile.TemporaryFile() as workload:

            async def choose(services: Services) -> Sequence[int]:
                return await write_chosen(services, self._run, lost if lost_only else failed, workload)

            numbers = self._connection.call(choose, self._go_on)
            workload.seek(0)
            size = self._run.chunk_size if chunk is None else chunk
            run = submit_workload(
                self._connection,
                workload,
                f"failed tasks of run {self.id}",
                chunk=size,
                priority=self._run.priority,
                parent=self.id,
                parent_numbers=numbers,
            )
        return FleetRun(self._connection, run)

    def cancel(self) -> None:
        """Cancel the run: waiting tasks become CANCELLED, running tasks are stopped, recorded results stay."""
        self._connection.call(lambda services: cancel(services.ledger, self._run), f"Cancel run {self.id} again")

    def pull(self, folder: str | Path) -> Pulled:
        """Fetch the objects that the results name into a folder; each file is named by its task's number.

        A pull that broke off continues where it stopped. Objects that could not be fetched are in ``problems``.
        """
        target = Path(folder)
        return self._connection.call(lambda services: pull(services, self._run, target), f"Pull run {self.id} again")

    @property
    def _go_on(self) -> str:
        return f"Run {self.id} goes on without this program. Open it again with: Fleet().run({self.id!r})"


def _ignore(_counts: RunCounts, _ended: int) -> None:
    """Do nothing with counts on the way."""


def _countdown(seconds: float | None) -> Callable[[], float | None]:
    """Return a function that returns the seconds left."""
    if seconds is None:
        return lambda: None
    deadline = time.monotonic() + seconds
    return lambda: max(0.0, deadline - time.monotonic())
