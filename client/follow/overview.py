"""Overview: the runs there are, and what lies on the fleet's queues, for a few requests each."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.model import Depth, Run
from cloudkon.ports import Clock, Queue, Services, TrioClock

from .progress_sampler import Estimate, ProgressSampler

PAGES = 8
"""Pages of the ledger, of 256 chunks each, that a run's counts may take: exact up to 2,048 chunks, estimates beyond."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run and how far it is; ``age`` in seconds since its push began."""

    run: Run
    counts: Estimate
    age: float

    @property
    def state(self) -> str:
        """``done`` or, by what of a large run was read, ``about done``; ``cancelled``, ``going`` or ``waiting``."""
        if self.counts.ended == self.run.count:
            return "done" if self.counts.exact else "about done"
        if self.run.cancelled:
            return "cancelled"
        return "going" if self.counts.ended or self.counts.running else "waiting"


async def latest_runs(services: Services, most: int, clock: Clock | None = None) -> AsyncGenerator[RunView, None]:
    """The runs that started last, the last one first; up to ``most`` of them. To be closed."""
    clock = clock or TrioClock()
    left = most
    async with aclosing(services.ledger.runs()) as runs:
        async for run in runs:
            if left <= 0:
                return
            left -= 1
            survey = ProgressSampler(run)
            now = clock.monotonic()
            await survey.read(services.ledger, PAGES, clock.wall(), now)
            yield RunView(run, survey.estimate(now), max(0.0, clock.wall() - run.started))


@dataclass(frozen=True, slots=True)
class PoolView:
    """What lies on a pool's queues."""

    pool: str
    normal: Depth
    high: Depth
    dead_letters: int

    @property
    def backlog(self) -> Depth:
        """What lies on both queues."""
        return self.normal + self.high


async def pools(services: Services) -> list[PoolView]:
    """Every pool's queues: three requests each."""
    found = []
    for pool, queue in services.queues.items():
        normal = await _depth(queue)
        high = await persist(partial(services.high_backlog, pool), BRIEF)
        dead = await _depth(services.dead_letters[pool])
        found.append(PoolView(pool, normal, high, dead.visible + dead.in_flight + dead.delayed))
    return found


async def _depth(queue: Queue) -> Depth:
    return await persist(queue.depth, BRIEF)
