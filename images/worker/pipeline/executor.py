"""Executes tasks on the worker's slots, and records the result of each attempt or starts its retry."""

import math
from contextlib import AsyncExitStack
from typing import Final

import trio

from cloudkon.backoff import Backoff
from cloudkon.model import Result, Task, TaskState

from ..execution.attempt import AttemptResult, Attempts
from ..execution.slot_process import SlotNotStarted, SlotProcess, open_slot_process
from .claimed_chunk import ClaimedChunk, Stage
from .finisher import Finisher
from .heartbeat import Heartbeat
from .slot_starts import SlotStarts
from .stage_services import StageServices

_TURN_SECONDS: Final = 0.002
"""How long a slot runs tasks that never wait before it lets the rest of the worker run."""


class Executor:
    """Executes tasks, ``settings.slots`` at a time."""

    def __init__(
        self, services: StageServices, attempts: Attempts, starts: SlotStarts, finisher: Finisher, heartbeat: Heartbeat
    ) -> None:
        """Take tasks from the ready queue; finished chunks go to ``finisher``."""
        self._services = services
        self._attempts = attempts
        self._starts = starts
        self._finisher = finisher
        self._heartbeat = heartbeat
        self._backoff = Backoff(first=services.settings.retry_seconds, most=math.inf, jitter=0.5)
        self._retries: trio.Nursery | None = None
        self.draining = False
        self._killing = False

    async def run(self) -> None:
        """Run the slots until cancelled."""
        async with trio.open_nursery() as nursery:
            self._retries = nursery
            for index in range(self._services.settings.slots):
                nursery.start_soon(self._run_slot, index)

    async def _run_slot(self, index: int) -> None:
        async with AsyncExitStack() as stack:
            process = None
            if self._attempts.needs_processes:
                opened = open_slot_process(self._services.settings, self._services.log)
                process = await stack.enter_async_context(opened)
            while True:
                if process and not process.is_running:
                    await self._starts.start(index, process)
                chunk, task = await self._services.ready_queue.take()
                await (self._run_alone if chunk.careful else self._run_turn)(index, process, chunk, task)

    async def _run_turn(self, index: int, process: SlotProcess | None, chunk: ClaimedChunk, task: Task) -> None:
        """Execute a task, and the tasks that are ready after it, until the turn is over."""
        now = trio.current_time()
        until = now + _TURN_SECONDS
        current: tuple[ClaimedChunk, Task] | None = (chunk, task)
        # Many tasks share one scope with one deadline: to make a scope and to let the event loop run costs more than an
        # empty task. So a task may be stopped later than its time-out, by one turn at most.
        with trio.CancelScope(deadline=until + self._services.settings.task_timeout_seconds) as scope:
            while current:
                outcome = await self._attempt(index, process, *current, scope, now)
                # If the scope was cancelled too late to stop the attempt, its outcome stands.
                self._end_attempt(index, *current, outcome)
                self._advance(current[0])
                now = trio.current_time()
                over = scope.cancel_called or now >= until or outcome is None
                current = None if over else self._services.ready_queue.take_nowait()
        if scope.cancelled_caught:
            assert current
            self._end_attempt(index, *current, self._cancelled_outcome(current[0], scope))
            self._advance(current[0])
        await trio.lowlevel.checkpoint()

    async def _run_alone(self, index: int, process: SlotProcess | None, chunk: ClaimedChunk, first: Task) -> None:
        """Execute the waiting tasks of a careful chunk, while no other slot runs anything."""
        task: Task | None = first
        try:
            while task:
                outcome = await self._attempt_alone(index, process, chunk, task)
                self._end_attempt(index, chunk, task, outcome)
                task = self._services.ready_queue.next_alone(chunk) if outcome is not None else None
            if outcome is None and chunk.pending:
                self._services.ready_queue.add(chunk)
            chunk.clear_suspect()
            if chunk.stage is Stage.ACTIVE and not self.draining:
                # While the ledger names the suspect, nothing else may start: it would be blamed for a death that it did
                # not cause. A worker that drains starts nothing, and its release clears the suspect.
                await self._heartbeat.checkpoint_now(chunk)
            self._advance(chunk)
        finally:
            self._services.ready_queue.end_alone()

    async def _attempt_alone(
        self, index: int, process: SlotProcess | None, chunk: ClaimedChunk, task: Task
    ) -> AttemptResult | None:
        """Make an attempt that is recorded before; return ``None`` if it was stopped or the claim was lost."""
        outcome = None
        with trio.CancelScope() as scope:
            self._services.durations.start(index, trio.current_time())
            chunk.start_task(task, scope)
            if await self._record_suspect(chunk, task.id.seq):
                now = trio.current_time()
                scope.deadline = now + self._services.settings.task_timeout_seconds
                outcome = await self._execute(process, chunk, task, now)
        return self._cancelled_outcome(chunk, scope) if scope.cancelled_caught else outcome

    async def _attempt(
        self,
        index: int,
        process: SlotProcess | None,
        chunk: ClaimedChunk,
        task: Task,
        scope: trio.CancelScope,
        now: float,
    ) -> AttemptResult | None:
        """Make an attempt within the scope; return ``None`` if the chunk was given up."""
        chunk.start_task(task, scope)
        self._services.durations.start(index, now)
        return await self._execute(process, chunk, task, now)

    async def _execute(
        self, process: SlotProcess | None, chunk: ClaimedChunk, task: Task, now: float
    ) -> AttemptResult | None:
        """Run the task's handler; return ``None`` if there was no attempt, or if the chunk had to be given up."""
        try:
            return await self._attempts.run(task, chunk.claim.token, chunk.attempt_number(task), process, now)
        except SlotNotStarted:
            self._put_back(chunk, task)
            return None
        except Exception as error:  # noqa: BLE001  (a handler's errors are outcomes: this one is the chunk's)
            self._services.failures.fail(chunk.received, "execute", error)
            return None

    def _put_back(self, chunk: ClaimedChunk, task: Task) -> None:
        """Let a task wait for another slot, or for this one's next process."""
        if chunk.stage is Stage.ACTIVE:
            chunk.retry_task(task, trio.current_time())
            if not chunk.careful:
                self._services.ready_queue.add(chunk)

    def _cancelled_outcome(self, chunk: ClaimedChunk, scope: trio.CancelScope) -> AttemptResult | None:
        """Return a failure if the time-out stopped the attempt; ``None`` if the worker or the run was stopped."""
        late = trio.current_time() - scope.deadline
        if late < 0 or self._killing or chunk.key.run in self._services.cancellations.cancelled:
            return None
        timeout = self._services.settings.task_timeout_seconds
        started = self._services.clock.wall() - late - timeout
        return AttemptResult("", f"timed out after {timeout:g} s", permanent=False, started=started, seconds=timeout)

    def _end_attempt(self, index: int, chunk: ClaimedChunk, task: Task, outcome: AttemptResult | None) -> None:
        self._services.durations.end(index, outcome.seconds if outcome else None)
        chunk.end_task(task)
        if outcome is not None and chunk.stage is Stage.ACTIVE:
            self._record(chunk, task, chunk.attempt_number(task), outcome)

    async def _record_suspect(self, chunk: ClaimedChunk, seq: int) -> bool:
        """Record in the ledger which task is about to start; return whether the claim still holds."""
        chunk.suspect_task(seq)
        return await self._heartbeat.checkpoint_now(chunk)

    def _record(self, chunk: ClaimedChunk, task: Task, number: int, outcome: AttemptResult) -> None:
        """Add the task's result if attempt ``number`` was its last one; else start its retry."""
        final = not outcome.error or outcome.permanent or number >= self._services.settings.max_attempts
        if outcome.error or self._services.log.is_enabled("debug"):
            self._log_attempt(task, number, outcome, final=final)
        if outcome.error:
            chunk.add_failure(task, number)
        if not final:
            assert self._retries is not None
            self._retries.start_soon(self._retry, chunk, task, number)
            return
        if metrics := self._services.metrics:
            sent = chunk.received.sent
            waited = outcome.started - sent if sent else None
            metrics.task_ended(outcome.seconds, waited, failed=bool(outcome.error))
        chunk.add_result(
            Result(
                task.id,
                TaskState.FAILED if outcome.error else TaskState.SUCCEEDED,
                output=outcome.output,
                error=outcome.error,
                attempts=number,
                started=outcome.started,
                seconds=outcome.seconds,
                worker=self._services.name,
            )
        )

    def _log_attempt(self, task: Task, number: int, outcome: AttemptResult, *, final: bool) -> None:
        log = self._services.log.bind(run=task.id.run, task=str(task.id), attempt=number)
        if not outcome.error:
            log.debug("task-succeeded", seconds=round(outcome.seconds, 4))
        else:
            log.warning("task-failed" if final else "attempt-failed", error=outcome.error[:500])

    async def _retry(self, chunk: ClaimedChunk, task: Task, failures: int) -> None:
        await trio.sleep(self._backoff.wait(failures, self._services.rng))
        if chunk.stage is Stage.ACTIVE and task.id.seq not in chunk.results:
            chunk.retry_task(task, trio.current_time())
            self._services.ready_queue.add(chunk)

    def _advance(self, chunk: ClaimedChunk) -> None:
        """Complete or release the chunk if no more of it will run here."""
        if chunk.stage is not Stage.ACTIVE:
            if chunk.overdue and chunk.idle:
                self._finisher.release_late(chunk)
            return
        if chunk.key.run in self._services.cancellations.cancelled:
            chunk.cancel(self._services.name)
        if chunk.finished:
            self._finisher.complete(chunk)
        elif self.draining and chunk.idle:
            self._finisher.release(chunk)

    def cancel_run(self, run: str) -> None:
        """Stop the tasks of a run."""
        for chunk in list(self._services.inflight.claimed.values()):
            if chunk.key.run == run and chunk.stage is Stage.ACTIVE:
                chunk.cancel(self._services.name)
                self._advance(chunk)

    def drain(self) -> None:
        """Start no more tasks, and release the chunks none of whose tasks runs."""
        self.draining = True
        for chunk in list(self._services.inflight.claimed.values()):
            self._advance(chunk)

    def kill(self) -> None:
        """Stop the running tasks. Their chunks are released with the results so far; it costs the tasks no attempt."""
        self._killing = True
        for chunk in list(self._services.inflight.claimed.values()):
            chunk.stop_running()
