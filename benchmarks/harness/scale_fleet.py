"""Runs many real workers in virtual time and measures them in the middle of a long run."""

import gc
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from benchmarks.harness.limited_services import LimitedLedger, LimitedQueue
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
"""Seconds before the measurement starts: by then the pipelines are full and the table's burst is used up."""
LEAST_TASKS: Final = 3
"""Tasks of each worker during the measurement; nearly as many run before it."""
_SPREAD: Final = 0.4
"""The shortest time over which workers start: twice the wait of completions for a batch."""
_STOCK: Final = 1.25
"""The queue's tasks as a multiple of what ideal workers would run, so that the queue does not run dry."""
_PREFETCHED: Final = 4
"""Chunks more for each worker, which it has prefetched."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One fleet with one kind of task, measured for ``seconds``."""

    workers: int
    milliseconds: int
    chunk: int
    seconds: float

    @property
    def warm_up(self) -> float:
        """Seconds before the measurement starts."""
        return max(WARM_UP, (LEAST_TASKS - 0.5) * self.milliseconds / 1000)

    @property
    def tasks(self) -> int:
        """Tasks on the queue at the start."""
        each = _STOCK * (self.warm_up + self.seconds) * 1000 / self.milliseconds
        return self.workers * (round(each) + _PREFETCHED * self.chunk)


class Meter:
    """The handler, and the seconds that it has run in all workers, including tasks in progress."""

    def __init__(self) -> None:
        """Start with no running task."""
        self._running = 0
        self._seconds = 0.0

    @property
    def busy(self) -> float:
        """Virtual seconds that the handler has run."""
        return self._seconds + self._running * trio.current_time()

    async def sleep(self, arguments: str, context: Context) -> None:  # noqa: ARG002  (a handler)
        """Sleep in virtual time, as the instruction says: the worker's own handler sleeps by the kernel's clock."""
        self._running += 1
        self._seconds -= trio.current_time()
        try:
            await trio.sleep(sleep_seconds(arguments))
        finally:
            self._running -= 1
            self._seconds += trio.current_time()


@dataclass(frozen=True, slots=True)
class CellResult:
    """The measurement of one cell.

    ``busy`` is the seconds of work of all workers together, ``recorded`` the tasks whose results were written,
    ``units`` the write units, ``chunk_units`` those of one chunk's claim and completion, and ``in_flight`` the
    messages in flight at the end.
    """

    busy: float
    recorded: int
    calls: int
    throttled: int
    units: int
    chunk_units: int
    in_flight: int

    def since(self, before: "CellResult") -> "CellResult":
        """The difference to an earlier measurement."""
        return replace(
            self,
            busy=self.busy - before.busy,
            recorded=self.recorded - before.recorded,
            calls=self.calls - before.calls,
            throttled=self.throttled - before.throttled,
            units=self.units - before.units,
        )

    def efficiency(self, cell: Cell) -> float:
        """The share of time in which a slot works, from 0 to 1, and no more than the ledger's write units allow."""
        busy = self.busy / cell.seconds / cell.workers
        if not self.throttled:
            return busy
        tasks = self.units / self.chunk_units * cell.chunk
        return min(busy, tasks * cell.milliseconds / 1000 / cell.seconds / cell.workers)


def run_cell(cell: Cell) -> CellResult:
    """Run one cell in virtual time, in a process that does nothing else."""
    # Garbage collection would scan a million live results again and again, which takes a third of the time.
    gc.disable()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return trio.run(_run, cell, Path(scratch), clock=JumpingClock())
    finally:
        gc.enable()
        gc.collect()


async def _run(cell: Cell, scratch: Path) -> CellResult:
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
    # The measurement stands for part of a long run, which spreads over the most shards.
    run = replace(run, shards=MOST_SHARDS)
    await ledger.create_run(run)
    await _push(run, f"sleep {cell.milliseconds}", queue)
    async with trio.open_nursery() as nursery:
        for number in range(cell.workers):
            nursery.start_soon(_run_worker, number, cell, services, meter, scratch)

        async def measure() -> CellResult:
            calls = sum(one.calls for one in (queue, high, results, ledger))
            depth = await queue.depth()
            assert depth.visible, "the queue ran dry"
            return CellResult(
                meter.busy,
                ledger.recorded,
                calls,
                ledger.throttled,
                ledger.units,
                ledger.chunk_units,
                depth.in_flight,
            )

        await trio.sleep(cell.warm_up)
        before = await measure()
        await trio.sleep(cell.seconds)
        found = (await measure()).since(before)
        nursery.cancel_scope.cancel()
    return found


async def _run_worker(number: int, cell: Cell, services: Services, meter: Meter, scratch: Path) -> None:
    """Run a worker that starts at a random moment within its first chunk's time, so that workers are not in step."""
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
    """Put the messages on the queue without latency."""
    messages = [
        Outgoing(encode_message(Chunk(key, first, (instruction,) * count)))
        for key, first, count in run.chunks(WORKER.name)
    ]
    for some in batched(messages, BATCH):
        await MemoryQueue.send(queue, some)
