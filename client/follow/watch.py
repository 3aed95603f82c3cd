"""Takes snapshots of a run until it is over, for a few requests a minute whatever the run's size.

A snapshot takes ``PAGES`` pages of the ledger at the most, and a request for each of the run's queues. When the run
seems to be over, every chunk that was not seen DONE is read once more, so that the last counts are exact.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import trio

from cloudkon.errors import Unavailable
from cloudkon.model import Depth, Run
from cloudkon.ports import Clock, Services, TrioClock

from ..costs import spent_so_far
from .highlights import Highlights
from .progress_sampler import Estimate, ProgressSampler
from .run_completion import RunCompletion
from .run_counts import RunCounts

EVERY_SECONDS = 10.0
"""Default time between two snapshots."""
PAGES = 2
"""Pages of the ledger that are read for a snapshot."""
FIRST_PAGES = 8
"""Pages that are read for the first snapshot: nothing is known before it."""
CLOSING_PAUSE_SECONDS = 30.0
"""Least time between two readings of every chunk that was not seen DONE."""
RATE_SECONDS = 60.0
"""The rate is the average over this time, or between the last two snapshots where these are further apart."""
ACTIVE_SECONDS = 300.0
"""A worker counts as active for this time after its last result."""
CURVE_POINTS = 60
"""Rates that are kept for the curve."""


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run's state at one moment. Times are epoch seconds, rates tasks a second.

    ``backlog`` is the depth of each pool's queue of the run's priority, other runs' messages included; ``workers`` are
    those with a result in the last ``ACTIVE_SECONDS``; ``dead_letters`` are counted when the queues are empty, because
    they may hold the missing tasks. ``trouble`` is the error that kept this snapshot from reading anything, or empty;
    ``news_at`` is the time of the last snapshot without trouble. ``dollars`` is what the run's requests have cost by
    list prices, ``None`` where they cost nothing.
    """

    run: Run
    at: float
    counts: Estimate
    backlog: dict[str, Depth]
    workers: dict[str, int]
    rate: float | None
    curve: tuple[float, ...]
    highlights: Highlights
    complete: bool
    cancelled: bool
    dead_letters: int = 0
    trouble: str = ""
    news_at: float = 0.0
    dollars: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; ``None`` where the rate is unknown or 0, or nothing is left."""
        left = self.run.count - self.counts.ended
        return left / self.rate if self.rate and left else None


@dataclass(slots=True)
class Watch:
    """Takes snapshots of one run; ``priced`` tells whether its requests cost anything."""

    services: Services
    run: Run
    clock: Clock = field(default_factory=TrioClock)
    priced: bool = False
    _highlights: Highlights = field(init=False)
    _sampler: ProgressSampler = field(init=False)
    _history: deque[tuple[float, int]] = field(init=False)
    _backlog: dict[str, Depth] = field(default_factory=dict)
    _dead_letters: int = 0
    _cancelled: bool = False
    _closed_at: float = float("-inf")
    _news_at: float = 0.0

    def __post_init__(self) -> None:
        """Start with nothing read."""
        self._highlights = Highlights(self.run)
        self._sampler = ProgressSampler(self.run, self._highlights.add)
        self._history = deque(maxlen=CURVE_POINTS + 1)

    async def follow(
        self, on_snapshot: Callable[[RunSnapshot], Awaitable[None]], every: float = EVERY_SECONDS
    ) -> RunCounts:
        """Take a snapshot every ``every`` seconds until the run is over; return the last counts.

        ``RunCompletion`` decides when that is, by the snapshots alone: dead letters don't end watching. Services that
        are unavailable are waited for.
        """
        completion = RunCompletion(self.services, self.run)
        while True:
            snapshot = await self.snapshot()
            await on_snapshot(snapshot)
            if completion.is_over_by_snapshot(
                complete=snapshot.complete,
                cancelled=snapshot.cancelled and not snapshot.trouble,
                running=snapshot.counts.running,
                depths=snapshot.backlog.values(),
                now=self.clock.monotonic(),
                only_unknown_left=self._sampler.counts().only_unknown_left,
            ):
                return self._sampler.counts()
            await trio.sleep(every)

    async def snapshot(self) -> RunSnapshot:
        """Take a snapshot. ``Unavailable`` becomes its ``trouble``; what else the services raise is raised."""
        trouble = ""
        try:
            await self._update()
        except Unavailable as error:
            trouble = str(error)
        now = self.clock.monotonic()
        counts = self._sampler.estimate(now)
        if not trouble:
            self._history.append((now, counts.ended))
        if not trouble or not self._news_at:
            self._news_at = self.clock.wall()
        return RunSnapshot(
            run=self.run,
            at=self.clock.wall(),
            counts=counts,
            backlog=dict(self._backlog),
            workers=self._highlights.workers(self.clock.wall() - ACTIVE_SECONDS),
            rate=self._rate(),
            curve=tuple(self._curve()),
            highlights=self._highlights,
            complete=self._sampler.complete,
            cancelled=self._cancelled,
            dead_letters=self._dead_letters,
            trouble=trouble,
            news_at=self._news_at,
            dollars=spent_so_far(self.run, counts.ended, self._highlights.task_seconds) if self.priced else None,
        )

    async def _update(self) -> None:
        for part in self.run.ranges:
            self._backlog[part.pool] = await self.services.queue(part.pool, self.run.priority).depth()
        found = await self.services.ledger.read_run(self.run.id)
        self._cancelled = found is not None and found.cancelled
        await self._read(PAGES if self._history else FIRST_PAGES)
        idle = all(depth.empty for depth in self._backlog.values())
        self._dead_letters = 0
        if idle:
            for part in self.run.ranges:
                dead = await self.services.dead_letters[part.pool].depth()
                self._dead_letters += dead.visible + dead.in_flight + dead.delayed
        ended = self._sampler.estimate(self.clock.monotonic()).ended
        now = self.clock.monotonic()
        if (idle or ended >= self.run.count) and now >= self._closed_at + CLOSING_PAUSE_SECONDS:
            self._closed_at = now
            await self._read(2 * self._sampler.pages_left)

    async def _read(self, pages: int) -> None:
        await self._sampler.read(self.services.ledger, pages, self.clock.wall(), self.clock.monotonic())

    def _rate(self) -> float | None:
        """Return the rate over ``RATE_SECONDS``; 0 where a newer estimate is lower than an older one."""
        if not self._history:
            return None
        now, ended = self._history[-1]
        earlier = [point for point in self._history if point[0] < now]
        if not earlier:
            return None
        began, before = next((point for point in earlier if point[0] >= now - RATE_SECONDS), earlier[-1])
        return max(0.0, (ended - before) / (now - began))

    def _curve(self) -> list[float]:
        pairs = pairwise(self._history)
        return [max(0.0, (new[1] - old[1]) / (new[0] - old[0])) for old, new in pairs if new[0] > old[0]]
