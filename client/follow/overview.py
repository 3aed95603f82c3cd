"""Lists the latest runs and the depths of the fleet's queues, for a few requests each."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.model import Depth, Run
from cloudkon.ports import Clock, Queue, Services, TrioClock

from .progress_sampler import Estimate, ProgressSampler

PAGES = 8
"""Pages of the ledger, of 256 chunks each, that are read for a run: counts are exact up to 2,048 chunks."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run and its counts; ``age`` is the seconds since its push began."""

    run: Run
    counts: Estimate
    age: float

    @property
    def state(self) -> str:
        """``done``, ``about done`` (by an estimate), ``cancelled``, ``going`` or ``waiting``."""
        if self.counts.ended == self.run.count:
            return "done" if self.counts.exact else "about done"
        if self.run.cancelled:
            return "cancelled"
        return "going" if self.counts.ended or self.counts.running else "waiting"


async def latest_runs(services: Services, most: int, clock: Clock | None = None) -> AsyncGenerator[RunView, None]:
    """Yield up to ``most`` runs, the latest first. The caller closes the generator."""
    clock = clock or TrioClock()
    left = most
    async with aclosing(services.ledger.runs()) as runs:
        async for run in runs:
            if left <= 0:
                return
            left -= 1
            sampler = ProgressSampler(run)
            now = clock.monotonic()
            await sampler.read(services.ledger, PAGES, clock.wall(), now)
            yield RunView(run, sampler.estimate(now), max(0.0, clock.wall() - run.started))


@dataclass(frozen=True, slots=True)
class PoolView:
    """The depths of a pool's queues."""

    pool: str
    normal: Depth
    high: Depth
    dead_letters: int

    @property
    def backlog(self) -> Depth:
        """The sum of both queues' depths."""
        return self.normal + self.high


async def pools(services: Services) -> list[PoolView]:
    """Return the depths of every pool's queues: three requests a pool."""
    views = []
    for pool, queue in services.queues.items():
        normal = await _depth(queue)
        high = await persist(partial(services.high_backlog, pool), BRIEF)
        dead = await _depth(services.dead_letters[pool])
        views.append(PoolView(pool, normal, high, dead.visible + dead.in_flight + dead.delayed))
    return views


async def _depth(queue: Queue) -> Depth:
    return await persist(queue.depth, BRIEF)
