"""Fleet run: a run as the Python interface gives it, to be waited for, read, repeated and cancelled."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import cached_property, partial
from pathlib import Path

from cloudkon.model import Result, Run, TaskId
from cloudkon.ports import Services

from ..dead_letters.dead_letters import DeadLetter
from ..follow.result_stream import LOG, ResultStream
from ..follow.run_counts import RunCounts
from ..follow.stranded import RunStranded, missing
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


class FleetRun:
    """One run of a fleet. It goes on without this object; ``Fleet.run(id)`` gives another one.

    Whatever is given in an order is given in that of the instructions that were submitted; of a run that was opened
    by its id, in the order of the tasks' numbers, which is the same as long as one pool runs all of it.
    """

    def __init__(self, link: FleetConnection, run: Run, order: Sequence[int] | None = None) -> None:
        """``order`` is each instruction's task number, where these are not simply 0, 1, 2 and so on."""
        self._link = link
        self._run = run
        self._order = range(run.count) if order is None else order

    @property
    def id(self) -> str:
        """What ``python -m client`` and ``Fleet.run`` know it by."""
        return self._run.id

    @property
    def parent(self) -> str:
        """The run whose failures it retries, or nothing."""
        return self._run.parent

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that run its tasks."""
        return tuple(part.pool for part in self._run.ranges)

    def __len__(self) -> int:
        """How many tasks it has."""
        return self._run.count

    def __repr__(self) -> str:
        return f"<run {self.id}: {len(self):,} tasks>"

    def results(self, timeout: float | None = None) -> Iterator[Result]:
        """Each task's result once, as they come, until the run has ended; in no order.

        Reports on the result queue tell of them, and looks at the ledger, some hundred in an hour. Tasks of a run that
        was cancelled before all of it was sent have no result. Asked again, all come again.
        Raises ``TimeoutError`` after so many seconds, or up to two later, ``RunStranded`` when all that is missing has
        been dead letters for a minute, and what the services raise.
        """
        feed = ResultStream(self._link.services, self._run)
        left = _countdown(timeout)
        while some := self._link.call(lambda _: feed.more(), self._go_on, left()):
            yield from some

    def recorded(self, selection: Selection = Selection()) -> Iterator[Result]:  # noqa: B008  (frozen)
        """The results that are there now, or those asked for; a million of them need no more memory than a thousand."""
        return self._link.portal.iterate(partial(selected, self._link.services, self._run, selection))

    def in_order(self, timeout: float | None = None) -> Iterator[Result]:
        """Each task's result in order, each as soon as all before it are there. What comes early is kept so long.

        Raises ``CancelledError`` at a task that was never sent because the run was cancelled before.
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
        """A future for each task, in order, as ``concurrent.futures`` has them; a kilobyte or two each.

        From the first time that they are asked for, results are followed in the background. Their callbacks are
        called one after the other, and may use the fleet. Where following fails, all that is left fails with it.
        """
        by_seq = [TaskFuture(TaskId(self.id, seq)) for seq in range(len(self))]
        self._link.portal.start(lambda: follow(ResultStream(self._link.services, self._run), by_seq))
        return [by_seq[seq] for seq in self._order]

    def check(self) -> RunCounts:
        """Count the tasks by state."""
        return self._link.call(lambda services: check(services, self._run), self._go_on)

    def wait(
        self, timeout: float | None = None, on_tally: Callable[[RunCounts, int], None] = lambda _tally, _ended: None
    ) -> RunCounts:
        """Wait until the run has ended, and count its tasks by state. Raises ``TimeoutError`` after so many seconds.

        ``on_tally`` is told each count on the way, and how many tasks ended by all that is known. Raises
        ``RunStranded`` when all that is missing has been dead letters for a minute.
        """

        def give_up(letters: list[DeadLetter]) -> None:
            raise RunStranded(self._run, letters)

        def warn(tasks: int) -> None:
            LOG.warning(missing(self._run, tasks))

        async def work(services: Services) -> RunCounts:
            return await wait_for(services, self._run, on_tally, on_stranded=give_up, on_missing=warn)

        return self._link.call(work, self._go_on, timeout)

    def failures(self) -> list[FailureKind]:
        """The failed tasks by what their errors say, the most frequent kind first, with an example of each."""

        async def work(services: Services) -> list[FailureKind]:
            found = Failures()
            async for result in results(services.ledger, self._run):
                found.add(result)
            return found.kinds()

        return self._link.call(work, self._go_on)

    def retry(self, *, lost_only: bool = False, chunk: int | str | None = None) -> "FleetRun":
        """Push the failed tasks again as a run of their own; ``lost_only`` those whose workers died while they ran.

        ``chunk`` is by default this run's. Raises ``InvalidInput`` where no such task failed.
        """
        with tempfile.TemporaryFile() as workload:

            async def choose(services: Services) -> None:
                await write_chosen(services, self._run, lost if lost_only else failed, workload)

            self._link.call(choose, self._go_on)
            workload.seek(0)
            size = self._run.chunk_size if chunk is None else chunk
            run = submit_workload(
                self._link,
                workload,
                f"failed tasks of run {self.id}",
                chunk=size,
                priority=self._run.priority,
                parent=self.id,
            )
        return FleetRun(self._link, run)

    def cancel(self) -> None:
        """Cancel it: waiting tasks get CANCELLED, running ones are stopped, results that are there stay."""
        self._link.call(lambda services: cancel(services.ledger, self._run), f"Cancel run {self.id} again")

    def pull(self, folder: str | Path) -> Pulled:
        """Fetch what the results name in the store into a folder; each file is named by its task's number.

        It goes on where it broke off. What could not be fetched is in the answer's ``problems``.
        """
        target = Path(folder)
        return self._link.call(lambda services: pull(services, self._run, target), f"Pull run {self.id} again")

    @property
    def _go_on(self) -> str:
        return f"Run {self.id} goes on without this program. Open it again with: Fleet().run({self.id!r})"


def _countdown(seconds: float | None) -> Callable[[], float | None]:
    """Tells how many seconds are left."""
    if seconds is None:
        return lambda: None
    deadline = time.monotonic() + seconds
    return lambda: max(0.0, deadline - time.monotonic())
