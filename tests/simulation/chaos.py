"""Chaos: one integer seed fixes a whole schedule of what goes wrong, and the fleet must bear it.

The real pipeline runs in virtual time against services in memory that are slow, fail in whole and in part, before and
after the effect, and deliver twice; workers' clocks differ, workers die, are told to stop, and others take their place.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from cloudkon.errors import PermanentFailure
from cloudkon.ports import QueueOutcome, WriteOutcome
from cloudkon.settings import Settings
from cloudkon.words import Result, TaskState
from images.worker.context import Context
from tests.unit.worker.fleet import Fleet, VirtualClock
from tests.unit.worker.meddling import Around, by_chance, unheard, unkind

LEASE, MARGIN, POLL = 20.0, 4.0, 5.0
STORM = 240.0
"""Seconds for which things go wrong; the run must end well after it."""
CALM = 200.0
"""Seconds after the storm, beside the work itself one task after the other, within which the run must have ended."""
MOST_SKEW = 2.0


class PromiseBroken(AssertionError):
    """Seen from outside, something happened that must not."""


@dataclass
class Storm:
    """The chances of one schedule, drawn from its seed: of failures, and of calls that take up to ``slowest`` s."""

    rng: random.Random
    failures: float
    slow: float
    slowest: float
    raging: bool = True
    deaths: int = 0

    @classmethod
    def of(cls, seed: int) -> "Storm":
        rng = random.Random(seed)
        return cls(
            rng,
            failures=rng.choice([0.0, 0.02, 0.1, 0.3]),
            slow=rng.choice([0.02, 0.1, 0.4]),
            slowest=rng.choice([0.05, 1.0, 8.0, 45.0, 120.0]),
        )

    def over(self, around: Around) -> Around:
        """A call that takes its time and goes wrong while the storm rages, and goes well afterwards."""

        async def call(inner: Callable[..., Awaitable[Any]], *arguments: object) -> Any:  # noqa: ANN401  (any answer)
            if not self.raging:
                return await inner(*arguments)
            await trio.sleep(self.rng.random() * (self.slowest if self.rng.random() < self.slow else 0.01))
            answer = await around(inner, *arguments)
            await trio.sleep(self.rng.random() * 0.01)
            return answer

        return call

    def unleash(self, fleet: Fleet) -> None:
        """Get in the way of every call."""
        fates = by_chance(self.rng, self.failures)
        fleet.ledger.around["write"] = self.over(unkind(fates, WriteOutcome.FAILED))
        for name in ("read", "read_run"):
            fleet.ledger.around[name] = self.over(unheard(fates))
        for queue in (fleet.queue, fleet.results, fleet.dead_letters):
            for name in ("send", "delete", "set_visibility"):
                queue.around[name] = self.over(unkind(fates, QueueOutcome.FAILED))
            queue.around["receive"] = self.over(unheard(fates))


class Watch:
    """Handlers that see whether two workers ever run one chunk at a time."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._running: dict[int, dict[str, int]] = {}
        self.wounds: list[str] = []
        self.starts = 0

    async def work(self, arguments: str, context: Context) -> str:
        """``work SECONDS FAILURES``: fail so many times, then answer."""
        seconds, failures = arguments.split()
        self.starts += 1
        owners = self._running.setdefault(context.task.seq // self._chunk, {})
        owners[context.token] = owners.get(context.token, 0) + 1
        if len(owners) > 1:
            self.wounds.append(f"promise 3: {context.task} runs under {sorted(owners)} at {trio.current_time():.3f}")
        try:
            await trio.sleep(float(seconds))
        finally:
            owners[context.token] -= 1
            if not owners[context.token]:
                del owners[context.token]
        if failures == "for-good":
            raise PermanentFailure("never")
        if context.attempt <= int(failures):
            raise ValueError("not yet")
        return f"after {context.attempt}"


async def simulate(seed: int, scratch: Path) -> int:
    """Run one schedule to its end; raise ``PromiseBroken``, or give how many attempts it took."""
    storm = Storm.of(seed)
    rng = storm.rng
    fleet = Fleet(scratch)
    chunk = rng.choice([1, 1, 2, 5])
    tasks = [
        f"work {rng.choice([0, 0.01, 0.5, 3, 15, 50])} {rng.choice([0, 0, 0, 0, 1, 2, 3, 'for-good'])}"
        for _ in range(rng.randint(1, 25))
    ]
    watch = Watch(chunk)
    run = await fleet.push(*tasks, chunk=chunk, copies=rng.choice([1, 1, 2]))
    storm.unleash(fleet)
    cancelled = rng.random() < 0.1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_live_and_die, storm, fleet, watch, nursery)
        if cancelled:
            nursery.start_soon(_cancel, storm, fleet, run.id)
        await trio.sleep(STORM)
        storm.raging = False
        try:
            with trio.fail_after(CALM + sum(map(_longest, tasks))):
                results = await fleet.finish(run)
        except trio.TooSlowError:
            ended = len(await fleet.recorded(run))
            depth = await fleet.queue.depth()
            raise PromiseBroken(f"promise 5: {ended} of {run.count} tasks ended in time, and {depth} is left") from None
        except AssertionError as broken:
            raise PromiseBroken(f"promise 2 or 4: {broken}") from None
        nursery.cancel_scope.cancel()
    for seq, result in results.items():
        if result.state not in _allowed(tasks[seq], result, storm, cancelled=cancelled):
            watch.wounds.append(f"promise 6: {result.task} ({tasks[seq]}) is {result.state}: {result.error}")
    if watch.wounds:
        raise PromiseBroken("; ".join(watch.wounds[:3]))
    return watch.starts


def _longest(task: str) -> float:
    """Seconds that a task can take in all: its attempts, and the waits between them."""
    seconds, failures = task.split()[1:]
    return (1 if failures == "for-good" else int(failures) + 1) * (float(seconds) + 4.0)


def _allowed(task: str, result: Result, storm: Storm, *, cancelled: bool) -> set[TaskState]:
    """How a task may end."""
    allowed = {TaskState.FAILED if task.split()[2] in ("3", "for-good") else TaskState.SUCCEEDED}
    if cancelled:
        allowed.add(TaskState.CANCELLED)
    if result.error.startswith("worker lost") and storm.deaths > Settings().max_attempts:
        # Nobody can tell a task that kills its workers from one whose workers happened to die that often.
        allowed.add(TaskState.FAILED)
    return allowed


async def _cancel(storm: Storm, fleet: Fleet, run_id: str) -> None:
    await trio.sleep(storm.rng.random() * STORM)
    await fleet.ledger.cancel_run(run_id)


async def _live_and_die(storm: Storm, fleet: Fleet, watch: Watch, nursery: trio.Nursery) -> None:
    """Workers die and are told to stop, and others take their places; messages come twice."""
    rng = storm.rng
    places = rng.randint(1, 4)
    slots = rng.choice([1, 1, 3])

    def begin(name: str) -> tuple[Any, trio.CancelScope]:
        clock = VirtualClock(rng.uniform(-MOST_SKEW / 2, MOST_SKEW / 2))
        worker = fleet.worker(
            name,
            {"work": watch.work},
            clock=clock,
            slots=slots,
            lease_seconds=LEASE,
            skew_seconds=MARGIN,
            poll_seconds=POLL,
            stop_seconds=10.0,
        )
        return worker, fleet.start(nursery, worker)

    workers = [begin(f"worker-{place}") for place in range(places)]
    born = places
    while True:
        await trio.sleep(rng.expovariate(1 / rng.choice([5.0, 20.0, 60.0])))
        if trio.current_time() >= STORM:
            return
        place = rng.randrange(places)
        what = rng.random()
        if what < 0.4:
            storm.deaths += 1
            workers[place][1].cancel()
            workers[place] = begin(f"worker-{born}")
            born += 1
        elif what < 0.7:
            workers[place][0].stop()
            workers[place] = begin(f"worker-{born}")
            born += 1
        else:
            fleet.queue.show_all()


def run_seed(seed: int, scratch: Path) -> int:
    """Run one schedule, the same each time: trio's own order of tasks is drawn from the seed too."""
    # Trio's own switch for this, which it has for hypothesis's sake (trio issue 239).
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        trio._core._run._r.seed(seed)
        return trio.run(simulate, seed, scratch, clock=trio.testing.MockClock(autojump_threshold=0))
