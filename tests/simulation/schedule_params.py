"""Draws the parameters of one schedule from its seed, and injects the faults that they describe into every call."""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from cloudkon.errors import CloudKonError, Throttled, Unavailable
from cloudkon.ports import QueueOutcome, Write, WriteOutcome
from tests.simulation.worker_lifecycle import CURRENT_WORKER, SimulatedWorker
from tests.support.fault_injection import Around, Call, failing_batch, failing_call, random_faults
from tests.support.memory_fleet import Fleet

MOST_SKEW = 2.0
"""The largest difference between two workers' clocks, in seconds."""
MIXED = "mixed faults"
KINDS: dict[str, dict[str, Any]] = {
    MIXED: {},
    "slow writes": {
        "workers": 3,
        "copies": 3,
        "tasks": 6,
        "task_seconds": (0.5, 4.0, 10.0),
        "fault_seconds": 75.0,
        "failures": 0.0,
        "throttled": 0.0,
        "late": 0.0,
        "slow": 0.3,
        "slowest_seconds": 35.0,
        "only_writes": True,
        "disconnects": 0.0,
        "deaths": 0.0,
        "stops": 0.0,
        "ledger_reliable": False,
    },
    "stops during slow writes": {
        "fault_seconds": 45.0,
        "slow": 0.4,
        "slowest_seconds": 35.0,
        "only_writes": True,
        "deaths": 0.0,
        "stops": 0.8,
        "event_interval": 4.0,
        "task_seconds": (0.02, 0.5, 4.0),
        "ledger_reliable": False,
    },
    "disconnects": {
        "fault_seconds": 45.0,
        "failures": 0.0,
        "slowest_seconds": 0.05,
        "disconnects": 0.8,
        "deaths": 0.0,
        "stops": 0.0,
        "event_interval": 6.0,
        "task_seconds": (10.0, 17.0),
        "ledger_reliable": False,
    },
    "queue anomalies": {
        "fault_seconds": 40.0,
        "queue_anomalies": 0.4,
        "task_seconds": (4.0, 10.0, 17.0),
        "ledger_reliable": True,
    },
    "deaths during uploads": {
        "workers": 3,
        "tasks": 8,
        "task_seconds": (0.5, 4.0, 10.0),
        "fault_seconds": 60.0,
        "deaths": 0.8,
        "stops": 0.0,
        "event_interval": 10.0,
        "longest_delay": 40.0,
        "long_outputs": 1.0,
        "ledger_reliable": True,
    },
    "rolling deploy": {
        "workers": 3,
        "copies": 2,
        "tasks": 4,
        "task_seconds": (0.5, 4.0, 10.0),
        "fault_seconds": 30.0,
        "deaths": 0.6,
        "event_interval": 3.0,
        "rolling_deploy": True,
    },
    "killers": {
        "workers": 2,
        "tasks": 8,
        "copies": 1,
        "slots": 3,
        "killers": 0.3,
        "fault_seconds": 150.0,
        "deaths": 0.1,
        "stops": 0.3,
        "event_interval": 20.0,
        "task_seconds": (0.0, 0.5, 4.0, 10.0),
        "rolling_deploy": False,
        "ledger_reliable": True,
    },
    "lost responses": {
        "task_seconds": (0.02, 0.5, 4.0),
        "lost_responses": 0.4,
        "ledger_reliable": True,
    },
}
"""The parameters that each kind of schedule fixes, so that rare combinations of faults occur often enough."""


@dataclass
class ScheduleParams:
    """Probabilities are from 0 to 1; times are in seconds."""

    kind: str
    rng: random.Random
    workers: int
    """Workers that run at the same time."""
    slots: int
    """Slots of each worker in the fault phase."""
    tasks: int
    killers: float
    """The share of tasks that kill their workers."""
    copies: int
    """Copies of each message."""
    fault_seconds: float
    """The time during which faults are injected."""
    failures: float
    """The probability that a call or an entry of a batch fails, before its effect or after it."""
    throttled: float
    """The probability that a call is throttled."""
    late: float
    """The probability that a call times out and takes effect later."""
    slow: float
    """The probability that a request or a response takes up to ``slowest_seconds``."""
    slowest_seconds: float
    only_writes: bool
    """Only the ledger's writes are slow."""
    queue_anomalies: float
    """The probability that a message is delivered again early, and that a stale handle is not refused."""
    disconnects: float
    """The share of worker events that disconnects a worker from every service for a while."""
    deaths: float
    """The share of worker events that kills a worker."""
    stops: float
    """The share of worker events that stops a worker gracefully."""
    event_interval: float
    """The mean time between two worker events."""
    longest_delay: float
    """The longest time after which a call still lands when its caller has given up or died."""
    ledger_reliable: bool
    """A live worker can always renew its leases in time."""
    lost_responses: float
    """The probability that the response to a ledger's write is lost where the ledger is reliable.

    It never happens twice in a row to one worker.
    """
    task_seconds: tuple[float, ...]
    """The durations of tasks, to draw from."""
    long_outputs: float
    """The share of tasks whose outputs go to the store, which is slow."""
    rolling_deploy: bool
    """Workers and messages have two versions."""
    nursery: trio.Nursery | None = None
    last_response_lost: set[SimulatedWorker | None] = field(default_factory=set)
    """The workers whose last write to the ledger had no response."""
    delayed_calls: int = 0
    """Calls that have not landed yet, whose callers have given up or died."""
    faults_over: trio.Event = field(default_factory=trio.Event)

    @classmethod
    def draw(cls, seed: int) -> "ScheduleParams":
        """Draw the parameters from a seed."""
        rng = random.Random(seed)
        kind = rng.choices(list(KINDS), [10] + [1] * (len(KINDS) - 1))[0]
        drawn = cls(
            kind,
            rng,
            workers=rng.choice([1, 2, 3, 3]),
            slots=rng.choice([1, 3, 6]),
            tasks=rng.choice([1, 2, 4, 8]),
            killers=rng.choice([0.02, 0.02, 0.2]),
            copies=rng.choice([1, 2, 3]),
            fault_seconds=rng.choice([8.0, 15.0, 30.0, 45.0]),
            failures=rng.choice([0.0, 0.0, 0.03, 0.1, 0.3]),
            throttled=rng.choice([0.0, 0.0, 0.1]),
            late=rng.choice([0.0, 0.0, 0.05, 0.2]),
            slow=rng.choice([0.02, 0.1, 0.4]),
            slowest_seconds=rng.choice([0.05, 1.0, 10.0, 35.0]),
            only_writes=rng.random() < 0.4,
            queue_anomalies=rng.choice([0.0, 0.1, 0.4]),
            disconnects=rng.choice([0.0, 0.0, 0.4]),
            deaths=rng.choice([0.0, 0.3, 0.6]),
            stops=rng.choice([0.0, 0.3]),
            event_interval=rng.choice([3.0, 8.0, 20.0]),
            longest_delay=rng.choice([2.0, 15.0, 40.0]),
            ledger_reliable=rng.random() < 0.3,
            lost_responses=0.0,
            task_seconds=rng.choice([(0.0, 0.02, 0.5), (0.0, 0.5, 4.0, 17.0), (4.0, 10.0, 17.0)]),
            long_outputs=rng.choice([0.0, 0.1, 0.6]),
            rolling_deploy=rng.random() < 0.15,
        )
        return replace(drawn, **KINDS[kind])

    @property
    def faults_active(self) -> bool:
        return not self.faults_over.is_set()

    def chance(self, probability: float) -> bool:
        """Whether an event of this probability happens; after the fault phase none does."""
        return self.faults_active and self.rng.random() < probability

    def install(self, fleet: Fleet) -> None:
        """Inject faults into every call."""
        faults = random_faults(self.rng, self.failures)
        if self.ledger_reliable:
            fleet.ledger.around["write"] = self._lose_responses
        else:
            writes = failing_batch(faults, WriteOutcome.FAILED)
            fleet.ledger.around["write"] = self._around(writes, self.slow, self.slowest_seconds)
            for name in ("read", "read_run"):
                fleet.ledger.around[name] = self._around(failing_call(faults))
        fleet.store.around["put"] = self._around(failing_call(faults), slow=0.5, slowest=15.0)
        for queue in (fleet.queue, fleet.high, fleet.results, fleet.dead_letters):
            for name in ("send", "delete", "set_visibility"):
                queue.around[name] = self._around(failing_batch(faults, QueueOutcome.FAILED))
            queue.around["receive"] = self._around(failing_call(faults))

    def _around(self, around: Around, slow: float = 0.0, slowest: float = 0.0) -> Around:
        """Return a call that is slow and fails during the fault phase, and succeeds afterwards.

        ``slow`` and ``slowest`` are lower bounds of the schedule's ``slow`` and ``slowest_seconds`` for this call.
        """
        if not self.only_writes:
            slow, slowest = max(slow, self.slow), max(slowest, self.slowest_seconds)

        async def call(inner: Call, *arguments: object) -> Any:  # noqa: ANN401  (any answer)
            if not self.faults_active:
                return await inner(*arguments)
            return await self._call_with_faults(
                lambda: around(inner, *arguments), lambda: self._wait_latency(slow, slowest)
            )

        return call

    async def _lose_responses(self, call: Call, writes: Sequence[Write]) -> list[WriteOutcome]:
        outcomes: list[WriteOutcome] = await call(writes)
        worker = CURRENT_WORKER.get()
        if worker in self.last_response_lost or not self.chance(self.lost_responses):
            self.last_response_lost.discard(worker)
            return outcomes
        self.last_response_lost.add(worker)
        if self.rng.random() < 0.5:
            raise Unavailable("the response was lost")
        return [self.rng.choice([outcome, WriteOutcome.FAILED]) for outcome in outcomes]

    async def _call_with_faults(self, effect: Call, latency: Call) -> Any:  # noqa: ANN401  (any answer)
        worker = CURRENT_WORKER.get()
        try:
            await latency()
        except trio.Cancelled:
            # The caller died while its request was under way.
            if self.chance(0.5):
                self._delay(effect)
            raise
        if worker and trio.current_time() < worker.disconnected_until:
            raise Unavailable("no route to the service")
        if self.chance(self.throttled):
            raise Throttled("too many requests")
        if self.chance(self.late):
            self._delay(effect)
            raise Unavailable("no response in time")
        try:
            response = await effect()
        except CloudKonError:
            await latency()
            raise
        await latency()
        return response

    def _delay(self, effect: Call) -> None:
        """Apply the effect later, when no caller waits for the response."""

        async def land() -> None:
            await self.wait(self.rng.random() * self.longest_delay)
            with suppress(CloudKonError):
                await effect()
            self.delayed_calls -= 1

        assert self.nursery
        self.delayed_calls += 1
        self.nursery.start_soon(land)

    async def _wait_latency(self, slow: float, slowest: float) -> None:
        if self.chance(slow):
            await self.wait(self.rng.random() * slowest)
        elif self.chance(0.5):
            await self.wait(self.rng.random() * 0.01)

    async def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of the fault phase."""
        with trio.move_on_after(seconds):
            await self.faults_over.wait()
