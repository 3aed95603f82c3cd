"""Slots: the places to execute. Each takes a task, runs an attempt, and files what came of it."""

import math
from contextlib import AsyncExitStack
from typing import Final

import trio

from cloudkon.model import Result, Task, TaskState

from ..execution.attempt import AttemptResult, Attempts
from ..execution.slot_process import SlotProcess, open_slot_process
from .claimed_chunk import ClaimedChunk, Stage
from .finisher import Finisher
from .heartbeat import Heartbeat
from .stage_services import StageServices

_TURN_SECONDS: Final = 0.002
"""For which a slot runs tasks that never wait before it lets the rest of the worker have its turn."""


class Executor:
    """Executes tasks, ``settings.slots`` at a time."""

    def __init__(self, kit: StageServices, attempts: Attempts, closing: Finisher, heartbeat: Heartbeat) -> None:
        """Everything passed in."""
        self._kit = kit
        self._attempts = attempts
        self._closing = closing
        self._heartbeat = heartbeat
        self._retries: trio.Nursery | None = None
        self.draining = False
        self._killing = False

    async def run(self) -> None:
        """Run the slots until cancelled."""
        async with trio.open_nursery() as nursery:
            self._retries = nursery
            for index in range(self._kit.settings.slots):
                nursery.start_soon(self._slot, index)

    async def _slot(self, index: int) -> None:
        async with AsyncExitStack() as stack:
            process = None
            if self._attempts.needs_processes:
                process = await stack.enter_async_context(open_slot_process(self._kit.settings, self._kit.log))
                await process.warm()
            while True:
                await self._execute_some(index, process, *await self._kit.ready_queue.take())

    async def _execute_some(self, index: int, process: SlotProcess | None, holding: ClaimedChunk, task: Task) -> None:
        """Execute a task, and those that follow at once, until it is somebody else's turn."""
        now = trio.current_time()
        until = now + _TURN_SECONDS
        found: tuple[ClaimedChunk, Task] | None = (holding, task)
        # One scope, and one deadline, for many: to make one, and to let the loop turn, costs more than an empty task.
        # So a task's time may be up later than it should be, by no more than a turn.
        with trio.CancelScope(deadline=until + self._kit.settings.task_timeout_seconds) as scope:
            while found:
                outcome = await self._attempt(index, process, *found, scope, now)
                # A cancellation that came too late to change the outcome changes nothing.
                self._ended(index, *found, outcome)
                now = trio.current_time()
                over = scope.cancel_called or now >= until
                found = None if over else self._kit.ready_queue.take_nowait()
        if scope.cancelled_caught:
            assert found
            self._ended(index, *found, self._broken_off(found[0], scope))
        await trio.lowlevel.checkpoint()

    async def _attempt(
        self,
        index: int,
        process: SlotProcess | None,
        holding: ClaimedChunk,
        task: Task,
        scope: trio.CancelScope,
        now: float,
    ) -> AttemptResult | None:
        """Make an attempt within the scope; ``None`` where the claim was lost before it began."""
        holding.running[task.id.seq] = scope
        if holding.careful:
            # Its time has not begun.
            scope.deadline = math.inf
            if not await self._suspect(holding, task.id.seq):
                return None
            now = trio.current_time()
            scope.deadline = now + _TURN_SECONDS + self._kit.settings.task_timeout_seconds
        self._kit.ready_queue.started(index, now)
        return await self._attempts.run(task, holding.claim.token, _number(holding, task), process, now)

    def _broken_off(self, holding: ClaimedChunk, scope: trio.CancelScope) -> AttemptResult | None:
        """What a cancelled attempt comes to: a failure if its time was up, and nothing if it was told to stop."""
        late = trio.current_time() - scope.deadline
        if late < 0 or self._told_to_stop(holding):
            return None
        timeout = self._kit.settings.task_timeout_seconds
        started = self._kit.clock.wall() - late - timeout
        return AttemptResult("", f"timed out after {timeout:g} s", permanent=False, started=started, seconds=timeout)

    def _ended(self, index: int, holding: ClaimedChunk, task: Task, outcome: AttemptResult | None) -> None:
        self._kit.ready_queue.ended(index, outcome.seconds if outcome else None)
        del holding.running[task.id.seq]
        if holding.stage is not Stage.ACTIVE:
            if holding.overdue and holding.idle:
                self._closing.release_late(holding)
            return
        holding.suspect = None
        if outcome is not None:
            self._file(holding, task, _number(holding, task), outcome)
        self.look_after(holding)

    def _told_to_stop(self, holding: ClaimedChunk) -> bool:
        return self._killing or holding.key.run in self._kit.cancellations.cancelled

    async def _suspect(self, holding: ClaimedChunk, seq: int) -> bool:
        """Record which task is about to start; ``False`` if the claim is lost."""
        holding.suspect = seq
        return await self._heartbeat.record(holding)

    def _file(self, holding: ClaimedChunk, task: Task, number: int, outcome: AttemptResult) -> None:
        seq = task.id.seq
        final = not outcome.error or outcome.permanent or number >= self._kit.settings.max_attempts
        if outcome.error or self._kit.log.is_enabled("debug"):
            self._tell(task, number, outcome, final=final)
        if outcome.error:
            holding.failures[seq] = number
        if not final:
            assert self._retries is not None
            self._retries.start_soon(self._retry, holding, task, number)
            return
        if metrics := self._kit.metrics:
            sent = holding.arrival.sent
            waited = outcome.started - sent if sent else None
            metrics.task_ended(outcome.seconds, waited, failed=bool(outcome.error))
        holding.results[seq] = Result(
            task.id,
            TaskState.FAILED if outcome.error else TaskState.SUCCEEDED,
            output=outcome.output,
            error=outcome.error,
            attempts=number,
            started=outcome.started,
            seconds=outcome.seconds,
            worker=self._kit.name,
        )

    def _tell(self, task: Task, number: int, outcome: AttemptResult, *, final: bool) -> None:
        log = self._kit.log.bind(run=task.id.run, task=str(task.id), attempt=number)
        if not outcome.error:
            log.debug("task-succeeded", seconds=round(outcome.seconds, 4))
        else:
            log.warning("task-failed" if final else "attempt-failed", error=outcome.error[:500])

    async def _retry(self, holding: ClaimedChunk, task: Task, number: int) -> None:
        longest = self._kit.settings.retry_seconds * 2 ** (number - 1)
        await trio.sleep(self._kit.rng.uniform(longest / 2, longest))
        if holding.stage is Stage.ACTIVE and task.id.seq not in holding.results:
            holding.pending.append(task)
            self._kit.ready_queue.add(holding)

    def look_after(self, holding: ClaimedChunk) -> None:
        """Send a holding on its way if there is nothing more to run in it."""
        if holding.stage is not Stage.ACTIVE:
            return
        if holding.key.run in self._kit.cancellations.cancelled:
            holding.cancel(self._kit.name)
        if holding.finished:
            self._closing.complete(holding)
        elif self.draining and holding.idle:
            self._closing.release(holding)
        elif holding.careful:
            self._kit.ready_queue.wake()

    def cancel_run(self, run: str) -> None:
        """Tell the tasks of a run to stop."""
        for holding in list(self._kit.inflight.holdings.values()):
            if holding.key.run == run and holding.stage is Stage.ACTIVE:
                holding.cancel(self._kit.name)
                self.look_after(holding)

    def drain(self) -> None:
        """Start nothing more; release what does not run."""
        self.draining = True
        for holding in list(self._kit.inflight.holdings.values()):
            self.look_after(holding)

    def kill(self) -> None:
        """Time is up: stop what runs; it is released with the results so far and costs no attempt."""
        self._killing = True
        for holding in list(self._kit.inflight.holdings.values()):
            for scope in holding.running.values():
                scope.cancel()


def _number(holding: ClaimedChunk, task: Task) -> int:
    """Which attempt at the task is the next, or the one under way; from 1."""
    return holding.failures.get(task.id.seq, 0) + 1
