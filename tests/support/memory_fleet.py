"""Runs a fleet in memory and in virtual time: push to it, run and kill workers on it, and check the results."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.memory import MemoryLedger, MemoryQueue, MemoryStore
from cloudkon.memory.virtual_clock import EPOCH, VirtualClock
from cloudkon.model import (
    WORKER,
    Chunk,
    ChunkKey,
    ChunkRecord,
    ChunkState,
    Delivery,
    Outgoing,
    Priority,
    Result,
    Run,
    TaskId,
    TaskState,
)
from cloudkon.ports import BATCH, Services
from cloudkon.ports.batch import batched
from cloudkon.settings import Settings
from cloudkon.wire.message import encode_message
from cloudkon.wire.report import decode_report
from cloudkon.wire.result_rows import to_row
from images.worker.handlers import Handler
from images.worker.pipeline.worker import Worker
from tests.support.fault_injection import InterceptedLedger, InterceptedQueue, InterceptedStore

LEASE, MARGIN, POLL, JITTER = 60.0, 5.0, 20.0, 1.0
RECOVERY = LEASE + MARGIN + POLL + JITTER
"""Seconds within which the work of a dead worker must start again."""


class Work:
    """Handlers that record each start by task number; ``work 3`` takes 3 s and returns "done"."""

    def __init__(self) -> None:
        self.starts: Counter[int] = Counter()
        self.attempts: dict[int, list[int]] = {}
        self.running = 0
        self.most_running = 0

    async def work(self, arguments: str, context: Context) -> str:
        seq = context.task.seq
        self.starts[seq] += 1
        self.attempts.setdefault(seq, []).append(context.attempt)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await trio.sleep(float(arguments))
        finally:
            self.running -= 1
        return "done"

    def handlers(self, **more: Handler) -> dict[str, Handler]:
        return {"work": self.work, **more}


class Fleet:
    """Services in memory whose calls a test can intercept, and what a test does with them."""

    def __init__(
        self,
        scratch: Path,
        *,
        queue: MemoryQueue | None = None,
        high: MemoryQueue | None = None,
        results: MemoryQueue | None = None,
        ledger: MemoryLedger | None = None,
    ) -> None:
        self.scratch = scratch
        self.queue = InterceptedQueue(queue or MemoryQueue())
        self.high = InterceptedQueue(high or MemoryQueue())
        self.dead_letters = InterceptedQueue(MemoryQueue())
        self.results = InterceptedQueue(results or MemoryQueue())
        self._ledger = ledger or MemoryLedger()
        self.ledger = InterceptedLedger(self._ledger)
        self.store = InterceptedStore(MemoryStore())
        self.services = Services(
            {WORKER.name: self.queue},
            {WORKER.name: self.dead_letters},
            self.results,
            self.ledger,
            self.store,
            high_queues={WORKER.name: self.high},
        )
        self.work = Work()
        self.published: list[Result] = []

    async def push(
        self,
        *instructions: str,
        chunk: int = 1,
        run: str = "run",
        copies: int = 1,
        seal: Callable[[str], str] = str,
        priority: Priority = Priority.NORMAL,
    ) -> Run:
        """Push a run; ``seal`` may change each message's body."""
        counts = {WORKER.name: len(instructions)}
        plan = Run.plan(run_id=run, counts=counts, chunk_size=chunk, digest="", started=EPOCH, priority=priority)
        await self.ledger.create_run(plan)
        messages = [
            Outgoing(seal(encode_message(Chunk(key, first, instructions[first : first + count]))))
            for key, first, count in plan.chunks(WORKER.name)
            for _ in range(copies)
        ]
        for some in batched(messages, BATCH):
            await self.services.queue(WORKER.name, priority).send(some)
        return plan

    def worker(
        self,
        name: str = "one",
        handlers: Mapping[str, Handler] | None = None,
        *,
        until_empty: bool = False,
        clock: VirtualClock | None = None,
        **settings: Any,  # noqa: ANN401  (any setting)
    ) -> Worker:
        return Worker(
            replace(Settings(), **settings),
            WORKER,
            self.services,
            handlers or self.work.handlers(),
            Log("error"),
            self.scratch,
            clock=clock or VirtualClock(),
            rng=random.Random(name),
            name=name,
            until_empty=until_empty,
        )

    def start(self, nursery: trio.Nursery, worker: Worker) -> trio.CancelScope:
        """Run a worker in the background; cancelling the returned scope kills it."""
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await worker.run()

        nursery.start_soon(run)
        return scope

    async def recorded(self, run: Run) -> dict[int, Result]:
        """The recorded results of the DONE chunks, by task number."""
        return {
            result.task.seq: result
            for record in await self.records(run)
            if record.state is ChunkState.DONE
            for result in record.progress.results
        }

    async def records(self, run: Run) -> list[ChunkRecord]:
        return [record async for record in self._ledger.records(run)]

    async def record(self, run: Run, number: int = 0) -> ChunkRecord:
        found = (await self._ledger.read([ChunkKey(run.id, number, run.shards)]))[0]
        assert found is not None
        return found

    async def finish(self, run: Run, within: float = 10_000.0) -> dict[int, Result]:
        """Wait until every task has its result and every message is gone; check the promises; return the results."""
        await until(lambda: self._ended(run), within, step=0.5)
        return await self._check(run)

    async def finish_run(self, run: Run, within: float = 10_000.0) -> dict[int, Result]:
        """Do as ``finish``, but wait only for the run's results and reports, while other runs go on."""

        async def reported() -> bool:
            await self._collect()
            return {one.task for one in self.published if one.task.run == run.id} == {
                TaskId(run.id, seq) for seq in range(run.count)
            }

        await until(reported, within, step=0.5)
        return await self._check(run)

    async def _check(self, run: Run) -> dict[int, Result]:
        await self._collect()
        recorded = await self.recorded(run)
        assert sorted(recorded) == list(range(run.count)), "a task has no result, or a result belongs to no task"
        for result in self.published:
            if result.task.run == run.id:
                assert to_row(result) == to_row(recorded[result.task.seq]), (
                    "a published result differs from the recorded one"
                )
        assert {result.task.seq for result in self.published if result.task.run == run.id} == set(recorded)
        return recorded

    async def states(self, run: Run) -> Counter[TaskState]:
        return Counter(result.state for result in (await self.recorded(run)).values())

    async def rejected(self) -> list[Delivery]:
        return await self.dead_letters.receive(BATCH, 0, 1000)

    async def _ended(self, run: Run) -> bool:
        return (await self.services.backlog(WORKER.name)).empty and len(await self.recorded(run)) == run.count

    async def _collect(self) -> None:
        while deliveries := await self.results.receive(BATCH, 0, 1000):
            for delivery in deliveries:
                self.published += decode_report(delivery.body)
            await self.results.delete(deliveries)


async def until(condition: Callable[[], Any], within: float = 10_000.0, step: float = 0.05) -> float:
    """Wait in virtual time until a condition (a function, plain or async) holds; return the seconds that passed."""
    begun = trio.current_time()
    with trio.fail_after(within):
        while True:
            found = condition()
            if (await found) if hasattr(found, "__await__") else found:
                return trio.current_time() - begun
            await trio.sleep(step)
