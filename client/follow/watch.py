"""Watch: a run seen again and again, for a few requests a minute whatever its size.

A look takes ``PAGES`` pages of the ledger at the most, and a request for each of the run's queues. When nothing seems
to be left, what is not known to be DONE is read once more, so that the end is the ledger's word.
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
from .run_completion import Quiet, is_quiet
from .run_counts import RunCounts

EVERY = 10.0
"""Seconds between two looks, unless others are asked for."""
PAGES = 2
"""Pages of the ledger that a look takes."""
FIRST_PAGES = 8
"""Pages that the first look takes: nothing is known yet."""
CLOSING_PAUSE = 30.0
"""Seconds between two readings of all that is left."""
RATE_SECONDS = 60.0
"""The rate is that of the last so many seconds, and of at least two looks."""
HEARD_SECONDS = 300.0
"""A worker counts for so long after its last result."""
LOOKS = 60
"""Looks whose rates are kept, for the curve."""


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run as one look saw it. Times are epoch seconds, rates tasks a second.

    ``backlog`` is each pool's queue of the run's priority, with other runs' messages; ``workers`` are those whose
    results were seen lately; ``dead_letters`` are counted when the queues are empty, for they may be what is missing.
    ``trouble`` says why the look saw nothing new, or is empty; ``news_at`` is when the last one did that saw something.
    ``dollars`` is what the run's requests have cost by list prices, or ``None`` where they cost nothing.
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
        """How long the rest takes at this rate, or ``None`` where nothing tells."""
        left = self.run.count - self.counts.ended
        return left / self.rate if self.rate and left else None


@dataclass(slots=True)
class Watch:
    """Looks at one run; ``priced`` tells whether its requests cost anything."""

    services: Services
    run: Run
    clock: Clock = field(default_factory=TrioClock)
    priced: bool = False
    _highlights: Highlights = field(init=False)
    _survey: ProgressSampler = field(init=False)
    _looks: deque[tuple[float, int]] = field(init=False)
    _backlog: dict[str, Depth] = field(default_factory=dict)
    _dead_letters: int = 0
    _cancelled: bool = False
    _closed_at: float = float("-inf")
    _news_at: float = 0.0

    def __post_init__(self) -> None:
        """Nothing was seen yet."""
        self._highlights = Highlights(self.run)
        self._survey = ProgressSampler(self.run, self._highlights.add)
        self._looks = deque(maxlen=LOOKS + 1)

    async def follow(self, on_sight: Callable[[RunSnapshot], Awaitable[None]], every: float = EVERY) -> RunCounts:
        """Look every so many seconds until every task has its result; services that fail are waited for.

        A cancelled run ends as well when nothing of it is left on its queues: what was never sent gets no result.
        """
        quiet = Quiet()
        while True:
            sight = await self.look()
            await on_sight(sight)
            left = sight.trouble or not sight.cancelled or not is_quiet(sight.counts.running, sight.backlog.values())
            over = quiet.note(quiet=not left, now=self.clock.monotonic())
            if sight.complete or over:
                return self._survey.tally()
            await trio.sleep(every)

    async def look(self) -> RunSnapshot:
        """Look once. Raises what the services raise, but for ``Unavailable``, which becomes the sight's trouble."""
        trouble = ""
        try:
            await self._learn()
        except Unavailable as error:
            trouble = str(error)
        now = self.clock.monotonic()
        counts = self._survey.estimate(now)
        if not trouble:
            self._looks.append((now, counts.ended))
        if not trouble or not self._news_at:
            self._news_at = self.clock.wall()
        return RunSnapshot(
            run=self.run,
            at=self.clock.wall(),
            counts=counts,
            backlog=dict(self._backlog),
            workers=self._highlights.workers(self.clock.wall() - HEARD_SECONDS),
            rate=self._rate(),
            curve=tuple(self._curve()),
            highlights=self._highlights,
            complete=self._survey.complete,
            cancelled=self._cancelled,
            dead_letters=self._dead_letters,
            trouble=trouble,
            news_at=self._news_at,
            dollars=spent_so_far(self.run, counts.ended, self._highlights.task_seconds) if self.priced else None,
        )

    async def _learn(self) -> None:
        for part in self.run.ranges:
            self._backlog[part.pool] = await self.services.queue(part.pool, self.run.priority).depth()
        found = await self.services.ledger.read_run(self.run.id)
        self._cancelled = found is not None and found.cancelled
        await self._read(PAGES if self._looks else FIRST_PAGES)
        idle = all(depth.empty for depth in self._backlog.values())
        self._dead_letters = 0
        if idle:
            for part in self.run.ranges:
                dead = await self.services.dead_letters[part.pool].depth()
                self._dead_letters += dead.visible + dead.in_flight + dead.delayed
        ended = self._survey.estimate(self.clock.monotonic()).ended
        now = self.clock.monotonic()
        if (idle or ended >= self.run.count) and now >= self._closed_at + CLOSING_PAUSE:
            self._closed_at = now
            await self._read(2 * self._survey.pages_left)

    async def _read(self, pages: int) -> None:
        await self._survey.read(self.services.ledger, pages, self.clock.wall(), self.clock.monotonic())

    def _rate(self) -> float | None:
        """Over the last ``RATE_SECONDS``, or the last two looks; what an estimate takes back counts for nothing."""
        if not self._looks:
            return None
        now, ended = self._looks[-1]
        earlier = [look for look in self._looks if look[0] < now]
        if not earlier:
            return None
        began, before = next((look for look in earlier if look[0] >= now - RATE_SECONDS), earlier[-1])
        return max(0.0, (ended - before) / (now - began))

    def _curve(self) -> list[float]:
        pairs = pairwise(self._looks)
        return [max(0.0, (new[1] - old[1]) / (new[0] - old[0])) for old, new in pairs if new[0] > old[0]]
