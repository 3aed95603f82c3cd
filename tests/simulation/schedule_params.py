"""Storm: the chances of one schedule, all drawn from its seed, and what they make of a call."""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from cloudkon.errors import CloudKonError, Throttled, Unavailable
from cloudkon.ports import QueueOutcome, Write, WriteOutcome
from tests.simulation.worker_lifecycle import LIFE, Life
from tests.support.fault_injection import Around, Call, by_chance, unheard, unkind
from tests.support.memory_fleet import Fleet

MOST_SKEW = 2.0
"""Seconds by which two workers' clocks differ at the most."""
KINDS: dict[str, dict[str, Any]] = {
    "all sorts": {},
    "slow writes": {
        "places": 3,
        "copies": 3,
        "tasks": 6,
        "seconds": (0.5, 4.0, 10.0),
        "length": 75.0,
        "failures": 0.0,
        "throttled": 0.0,
        "late": 0.0,
        "slow": 0.3,
        "slowest": 35.0,
        "only_writes": True,
        "partings": 0.0,
        "deaths": 0.0,
        "stops": 0.0,
        "spares_the_ledger": False,
    },
    "stops in slow writes": {
        "length": 45.0,
        "slow": 0.4,
        "slowest": 35.0,
        "only_writes": True,
        "deaths": 0.0,
        "stops": 0.8,
        "haste": 4.0,
        "seconds": (0.02, 0.5, 4.0),
        "spares_the_ledger": False,
    },
    "partings": {
        "length": 45.0,
        "failures": 0.0,
        "slowest": 0.05,
        "partings": 0.8,
        "deaths": 0.0,
        "stops": 0.0,
        "haste": 6.0,
        "seconds": (10.0, 17.0),
        "spares_the_ledger": False,
    },
    "an unruly queue": {
        "length": 40.0,
        "unruly": 0.4,
        "seconds": (4.0, 10.0, 17.0),
        "spares_the_ledger": True,
    },
    "deaths while storing": {
        "places": 3,
        "tasks": 8,
        "seconds": (0.5, 4.0, 10.0),
        "length": 60.0,
        "deaths": 0.8,
        "stops": 0.0,
        "haste": 10.0,
        "drift": 40.0,
        "long": 1.0,
        "spares_the_ledger": True,
    },
    "a rolling deploy": {
        "places": 3,
        "copies": 2,
        "tasks": 4,
        "seconds": (0.5, 4.0, 10.0),
        "length": 30.0,
        "deaths": 0.6,
        "haste": 3.0,
        "rolling": True,
    },
    "lost answers": {
        "seconds": (0.02, 0.5, 4.0),
        "lost": 0.4,
        "spares_the_ledger": True,
    },
}
"""What is not left to chance in some storms, so that what only they bring about comes about often enough."""


@dataclass
class Storm:
    """Chances are of 1; times in seconds."""

    kind: str
    rng: random.Random
    places: int
    """How many workers there are at a time."""
    tasks: int
    copies: int
    """Of each message."""
    length: float
    failures: float
    """That a call or an entry of a batch fails, before its effect or after it."""
    throttled: float
    """That a call is refused unread."""
    late: float
    """That a call times out and takes effect later."""
    slow: float
    """That a call takes up to ``slowest`` each way."""
    slowest: float
    only_writes: bool
    """Whether only the ledger's writes are slow."""
    unruly: float
    """That a delivery is given to others too early or at once, and that a stale handle is not simply refused."""
    partings: float
    """Of all that happens to workers, the share that cuts one off from every service for a while."""
    deaths: float
    """The share that kills one."""
    stops: float
    """The share that tells one to stop."""
    haste: float
    """Seconds between two such events, on the average."""
    drift: float
    """For how long at the most a call lands after its caller has given up or died."""
    spares_the_ledger: bool
    """Whether a worker that lives can always renew its leases in time."""
    lost: float
    """That the answer to a write of the ledger is lost where it is spared: never twice in a row for one worker."""
    seconds: tuple[float, ...]
    """What tasks may take."""
    long: float
    """The share of tasks whose outputs go to the store, which is slow."""
    rolling: bool
    """Whether workers and messages of two versions are about."""
    services: trio.Nursery | None = None
    unanswered: set[Life | None] = field(default_factory=set)
    """Those whose last write of the ledger had no answer."""
    drifting: int = 0
    """Calls that are still to land, whose callers have given up or died."""
    over: trio.Event = field(default_factory=trio.Event)

    @classmethod
    def of(cls, seed: int) -> "Storm":
        rng = random.Random(seed)
        kind = rng.choices(list(KINDS), [10] + [1] * (len(KINDS) - 1))[0]
        drawn = cls(
            kind,
            rng,
            places=rng.choice([1, 2, 3, 3]),
            tasks=rng.choice([1, 2, 4, 8]),
            copies=rng.choice([1, 2, 3]),
            length=rng.choice([8.0, 15.0, 30.0, 45.0]),
            failures=rng.choice([0.0, 0.0, 0.03, 0.1, 0.3]),
            throttled=rng.choice([0.0, 0.0, 0.1]),
            late=rng.choice([0.0, 0.0, 0.05, 0.2]),
            slow=rng.choice([0.02, 0.1, 0.4]),
            slowest=rng.choice([0.05, 1.0, 10.0, 35.0]),
            only_writes=rng.random() < 0.4,
            unruly=rng.choice([0.0, 0.1, 0.4]),
            partings=rng.choice([0.0, 0.0, 0.4]),
            deaths=rng.choice([0.0, 0.3, 0.6]),
            stops=rng.choice([0.0, 0.3]),
            haste=rng.choice([3.0, 8.0, 20.0]),
            drift=rng.choice([2.0, 15.0, 40.0]),
            spares_the_ledger=rng.random() < 0.3,
            lost=0.0,
            seconds=rng.choice([(0.0, 0.02, 0.5), (0.0, 0.5, 4.0, 17.0), (4.0, 10.0, 17.0)]),
            long=rng.choice([0.0, 0.1, 0.6]),
            rolling=rng.random() < 0.15,
        )
        return replace(drawn, **KINDS[kind])

    @property
    def raging(self) -> bool:
        return not self.over.is_set()

    def chance(self, of: float) -> bool:
        """Whether something of that chance happens; nothing does in the calm."""
        return self.raging and self.rng.random() < of

    def unleash(self, fleet: Fleet) -> None:
        """Get in the way of every call."""
        fates = by_chance(self.rng, self.failures)
        if self.spares_the_ledger:
            fleet.ledger.around["write"] = self._lose_answers
        else:
            writes = unkind(fates, WriteOutcome.FAILED)
            fleet.ledger.around["write"] = self._around(writes, self.slow, self.slowest)
            for name in ("read", "read_run"):
                fleet.ledger.around[name] = self._around(unheard(fates))
        fleet.store.around["put"] = self._around(unheard(fates), slow=0.5, slowest=15.0)
        for queue in (fleet.queue, fleet.high, fleet.results, fleet.dead_letters):
            for name in ("send", "delete", "set_visibility"):
                queue.around[name] = self._around(unkind(fates, QueueOutcome.FAILED))
            queue.around["receive"] = self._around(unheard(fates))

    def _around(self, around: Around, slow: float = 0.0, slowest: float = 0.0) -> Around:
        """A call that takes its time and goes wrong while the storm rages, and goes well afterwards.

        ``slow`` and ``slowest`` are the least that hold for it.
        """
        if not self.only_writes:
            slow, slowest = max(slow, self.slow), max(slowest, self.slowest)

        async def call(inner: Call, *arguments: object) -> Any:  # noqa: ANN401  (any answer)
            if not self.raging:
                return await inner(*arguments)
            return await self._risk(lambda: around(inner, *arguments), lambda: self._lag(slow, slowest))

        return call

    async def _lose_answers(self, call: Call, writes: Sequence[Write]) -> list[WriteOutcome]:
        outcomes: list[WriteOutcome] = await call(writes)
        life = LIFE.get()
        if life in self.unanswered or not self.chance(self.lost):
            self.unanswered.discard(life)
            return outcomes
        self.unanswered.add(life)
        if self.rng.random() < 0.5:
            raise Unavailable("the answer was lost")
        return [self.rng.choice([outcome, WriteOutcome.FAILED]) for outcome in outcomes]

    async def _risk(self, effect: Call, lag: Call) -> Any:  # noqa: ANN401  (any answer)
        life = LIFE.get()
        try:
            await lag()
        except trio.Cancelled:
            # The caller died, and its request was on the way.
            if self.chance(0.5):
                self._drift(effect)
            raise
        if life and trio.current_time() < life.cut_off_until:
            raise Unavailable("no way there")
        if self.chance(self.throttled):
            raise Throttled("too often")
        if self.chance(self.late):
            self._drift(effect)
            raise Unavailable("no answer in time")
        try:
            answer = await effect()
        except CloudKonError:
            await lag()
            raise
        await lag()
        return answer

    def _drift(self, effect: Call) -> None:
        """Let it happen later, when nobody waits for the answer."""

        async def land() -> None:
            await self.wait(self.rng.random() * self.drift)
            with suppress(CloudKonError):
                await effect()
            self.drifting -= 1

        assert self.services
        self.drifting += 1
        self.services.start_soon(land)

    async def _lag(self, slow: float, slowest: float) -> None:
        if self.chance(slow):
            await self.wait(self.rng.random() * slowest)
        elif self.chance(0.5):
            await self.wait(self.rng.random() * 0.01)

    async def wait(self, seconds: float) -> None:
        """Wait, and no longer than the storm rages."""
        with trio.move_on_after(seconds):
            await self.over.wait()
