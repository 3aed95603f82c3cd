"""Simulates a fleet whose run has one long task and killers among innocents, and measures how careful chunks wait."""

import random
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import trio

from cloudkon.handler import Context
from cloudkon.memory.virtual_clock import VirtualClock
from cloudkon.model import Run, TaskState
from images.worker.execution.progress_log import ProgressWatch
from images.worker.pipeline.worker import Worker
from tests.simulation.alarms import AlarmClock
from tests.simulation.worker_lifecycle import CURRENT_WORKER, SimulatedWorker
from tests.support.memory_fleet import Fleet, until

LEASE, MARGIN, POLL = 12.0, 3.0, 5.0
LONG_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """A run on a fleet of ``workers`` with ``slots`` each. Chunks have one task."""

    workers: int = 16
    slots: int = 4
    innocents: int = 400
    killers: int = 4
    long: int = 1
    """Tasks of ``LONG_SECONDS``."""
    long_at: float = 0.0
    """When the long tasks are pushed."""
    seconds: tuple[float, ...] = (0.05, 0.5, 3.0)
    """The durations of innocents, to draw from."""
    arriving: float = 0.0
    """Seconds between two innocents that come later, for as long as a long task takes; 0 for none."""


@dataclass
class Measured:
    """What a run took. Times are virtual, in seconds."""

    failed: set[int]
    """The tasks that FAILED, by number."""
    others_done: float
    """When every task but the long ones had its result."""
    idle: float = 0.0
    """Slot-seconds for which slots were kept free for a careful task while messages waited on the queue."""
    most_claims: int = 0
    """Claims of a chunk at most, without those whose workers died."""


class CarefulSimulation:
    """One run of a load; ``seed`` draws the order of the tasks and trio's."""

    def __init__(self, load: Load, seed: int, scratch: Path) -> None:
        self.load = load
        rng = random.Random(seed)
        kinds = ["kill 1.0"] * load.killers
        kinds += [f"work {rng.choice(load.seconds)}" for _ in range(load.innocents)]
        rng.shuffle(kinds)
        self.instructions = kinds
        self.fleet = Fleet(scratch)
        self.living: dict[str, Worker] = {}
        self.idle = 0.0

    @property
    def killers(self) -> set[int]:
        """The numbers of the tasks that kill their workers."""
        return {seq for seq, instruction in enumerate(self.instructions) if instruction.startswith("kill")}

    async def run(self) -> Measured:
        """Run the load to its end."""
        long = [f"work {LONG_SECONDS}"] * self.load.long
        async with trio.open_nursery() as nursery:
            for number in range(self.load.workers):
                nursery.start_soon(self._keep_worker, f"worker-{number}")
            nursery.start_soon(self._watch_idle_slots)
            if self.load.arriving:
                nursery.start_soon(self._push_more)
            if not self.load.long_at:
                await self.fleet.push(*long, run="long")
            run = await self.fleet.push(*self.instructions)
            if self.load.long_at:
                await trio.sleep(self.load.long_at)
                await self.fleet.push(*long, run="long")
            await until(lambda: self._ended(run), step=1)
            others_done = trio.current_time()
            nursery.cancel_scope.cancel()
        results = await self.fleet.recorded(run)
        records = await self.fleet.records(run)
        return Measured(
            failed={seq for seq, result in results.items() if result.state is TaskState.FAILED},
            others_done=others_done,
            idle=self.idle,
            most_claims=max(record.attempt - record.progress.losses for record in records),
        )

    async def _ended(self, run: Run) -> bool:
        return len(await self.fleet.recorded(run)) == run.count

    async def _push_more(self) -> None:
        for number in count():
            await trio.sleep(self.load.arriving)
            await self.fleet.push(f"work {self.load.seconds[0]}", run=f"more-{number}")

    async def _keep_worker(self, name: str) -> None:
        """Run one worker after the other."""
        for number in count():
            worker = self.fleet.worker(
                f"{name}-{number}",
                self.fleet.work.handlers(kill=_kill),
                slots=self.load.slots,
                lease_seconds=LEASE,
                skew_seconds=MARGIN,
                poll_seconds=POLL,
            )
            simulated = SimulatedWorker(name, VirtualClock(), 1, worker.run, worker.stop, lambda _: None)
            self.living[name] = worker
            await simulated.run_to_end()

    async def _watch_idle_slots(self) -> None:
        every = 1.0
        while True:
            await trio.sleep(every)
            queued = (await self.fleet.queue.depth()).visible
            self.idle += every * sum(_held_slots(worker, queued) for worker in self.living.values())


async def _kill(arguments: str, _: Context) -> None:
    await trio.sleep(float(arguments))
    worker = CURRENT_WORKER.get()
    assert worker
    worker.kill()
    await trio.sleep_forever()


def _held_slots(worker: Worker, queued: int) -> int:
    """Slots that are kept free although other tasks wait and no careful task runs yet."""
    ready = worker._services.ready_queue
    waiting = queued + sum(len(chunk.pending) for chunk in ready._ready)
    return min(ready.free, waiting) if ready._careful and not ready._alone else 0


def simulate(load: Load, seed: int, scratch: Path) -> tuple[CarefulSimulation, Measured]:
    """Run a load in virtual time."""
    simulation, clock = CarefulSimulation(load, seed, scratch), AlarmClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio.sleep", clock.sleep)
        patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        # No handler here leaves a file.
        patch.setattr(ProgressWatch, "log_new", lambda _: None)
        trio._core._run._r.seed(seed)
        return simulation, trio.run(simulation.run, clock=clock)
