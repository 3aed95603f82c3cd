"""Scale fleet: so many real workers in virtual time, looked at in the middle of a long run."""

import gc
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from benchmarks.harness.limits import LimitedLedger, LimitedQueue
from cloudkon.handler import Context
from cloudkon.instructions.sleep import sleep_seconds
from cloudkon.log import Log
from cloudkon.memory import MemoryQueue, MemoryStore
from cloudkon.memory.virtual_clock import JumpingClock, VirtualClock
from cloudkon.model import WORKER, Chunk, Outgoing, Run
from cloudkon.model.run import MOST_SHARDS
from cloudkon.ports import BATCH, Services
from cloudkon.ports.batch import batched
from cloudkon.settings import Settings
from cloudkon.wire.message import encode_message
from images.worker.pipeline.worker import Worker

RUN: Final = "scale"
WARM_UP: Final = 0.8
"""Seconds before a fleet is looked at: pipelines are full then, and the table's burst is used up."""
LEAST_TASKS: Final = 3
"""Of each worker, in the time for which it is looked at, and nearly so many before."""
_SPREAD: Final = 0.4
"""Seconds over which workers begin at the least: twice as long as completions wait for company."""
_STOCK: Final = 1.25
"""Times the work that ideal workers do in all, so that the queue does not run dry."""
_IN_HAND: Final = 4
"""Chunks more for each, which it has in its hands."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One fleet at one kind of task, looked at for so many ``seconds``."""

    workers: int
    milliseconds: int
    chunk: int
    seconds: float

    @property
    def warm_up(self) -> float:
        """Seconds before it is looked at."""
        return max(WARM_UP, (LEAST_TASKS - 0.5) * self.milliseconds / 1000)

    @property
    def tasks(self) -> int:
        """How many lie on the queue at the start."""
        each = _STOCK * (self.warm_up + self.seconds) * 1000 / self.milliseconds
        return self.workers * (round(each) + _IN_HAND * self.chunk)


class Meter:
    """The handler, and the seconds that it has run so far in all workers, begun tasks included."""

    def __init__(self) -> None:
        """Nothing runs."""
        self._running = 0
        self._seconds = 0.0

    @property
    def busy(self) -> float:
        """Virtual seconds."""
        return self._seconds + self._running * trio.current_time()

    async def sleep(self, arguments: str, context: Context) -> None:  # noqa: ARG002  (a handler)
        """Sleep so many milliseconds, in virtual time: the worker's own handler sleeps by the kernel's clock."""
        self._running += 1
        self._seconds -= trio.current_time()
        try:
            await trio.sleep(sleep_seconds(arguments))
        finally:
            self._running -= 1
            self._seconds += trio.current_time()


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen in that time.

    ``busy`` are seconds of work, of all workers together; ``recorded`` tasks whose results were written, a batch at a
    time; ``units`` write units; ``chunk_units`` those of a chunk's claim and completion; ``in_flight`` messages at the
    end.
    """

    busy: float
    recorded: int
    calls: int
    throttled: int
    units: int
    chunk_units: int
    in_flight: int

    def since(self, before: "Found") -> "Found":
        """What came after that."""
        return replace(
            self,
            busy=self.busy - before.busy,
            recorded=self.recorded - before.recorded,
            calls=self.calls - before.calls,
            throttled=self.throttled - before.throttled,
            units=self.units - before.units,
        )

    def efficiency(self, cell: Cell) -> float:
        """The share of its time that a slot works, of 1, and can go on working by what the ledger takes."""
        busy = self.busy / cell.seconds / cell.workers
        if not self.throttled:
            return busy
        tasks = self.units / self.chunk_units * cell.chunk
        return min(busy, tasks * cell.milliseconds / 1000 / cell.seconds / cell.workers)


def run_cell(cell: Cell) -> Found:
    """Run one cell in virtual time, in a process that does nothing else."""
    # A million results that all stay are gone through again and again, for a third of the time.
    gc.disable()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return trio.run(_run, cell, Path(scratch), clock=JumpingClock())
    finally:
        gc.enable()
        gc.collect()


async def _run(cell: Cell, scratch: Path) -> Found:
    meter = Meter()
    queue, high, results, ledger = LimitedQueue(1), LimitedQueue(2), LimitedQueue(3), LimitedLedger(4)
    services = Services(
        {WORKER.name: queue},
        {WORKER.name: LimitedQueue(5)},
        results,
        ledger,
        MemoryStore(),
        high_queues={WORKER.name: high},
    )
    run = Run.plan(run_id=RUN, counts={WORKER.name: cell.tasks}, chunk_size=cell.chunk, digest="", started=0.0)
    # What is looked at is a part of a long run, which spreads over as many keys as there may be.
    run = replace(run, shards=MOST_SHARDS)
    await ledger.create_run(run)
    await _push(run, f"sleep {cell.milliseconds}", queue)
    async with trio.open_nursery() as nursery:
        for number in range(cell.workers):
            nursery.start_soon(_live, number, cell, services, meter, scratch)

        async def look() -> Found:
            calls = sum(one.calls for one in (queue, high, results, ledger))
            depth = await queue.depth()
            assert depth.visible, "the queue ran dry"
            return Found(
                meter.busy,
                ledger.recorded,
                calls,
                ledger.throttled,
                ledger.units,
                ledger.chunk_units,
                depth.in_flight,
            )

        await trio.sleep(cell.warm_up)
        before = await look()
        await trio.sleep(cell.seconds)
        found = (await look()).since(before)
        nursery.cancel_scope.cancel()
    return found


async def _live(number: int, cell: Cell, services: Services, meter: Meter, scratch: Path) -> None:
    """Let a worker work, from some moment of its first chunk's time on: a fleet does not begin in step."""
    rng = random.Random(number)  # noqa: S311  (jitter, the same each time)
    await trio.sleep(rng.uniform(0, max(_SPREAD, cell.chunk * cell.milliseconds / 1000)))
    worker = Worker(
        replace(Settings(), fleet="scale"),
        WORKER,
        services,
        {"sleep": meter.sleep},
        Log("error"),
        scratch,
        clock=VirtualClock(),
        rng=rng,
        name=f"worker-{number}",
    )
    await worker.run()


async def _push(run: Run, instruction: str, queue: LimitedQueue) -> None:
    """Put the messages on the queue, in no time."""
    messages = [
        Outgoing(encode_message(Chunk(key, first, (instruction,) * count)))
        for key, first, count in run.chunks(WORKER.name)
    ]
    for some in batched(messages, BATCH):
        await MemoryQueue.send(queue, some)
