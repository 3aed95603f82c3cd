"""Check: how far a run is, now or when it has ended."""

from collections.abc import Callable

from cloudkon.backoff import BRIEF, Backoff, persist
from cloudkon.model import Run
from cloudkon.ports import Clock, Services, TrioClock

from ..dead_letters.dead_letters import DeadLetter
from .report_listener import ReportListener
from .run_completion import Quiet, nothing_left
from .run_counts import RunCounts, tally
from .stranded import nothing_queued, stranded

RECORDS_PER_SECOND = 2_000
"""Chunk records that waiting reads a second on average: bounds what a long wait for a large run costs."""
SHORTEST_WAIT = 0.5
LONGEST_WAIT = 30.0
PATIENT_WITH_LEDGER = Backoff(tries=20)
"""Waiting may go on for hours: a ledger that is away for some two minutes doesn't end it."""


def wait_between(run: Run) -> float:
    """Seconds between two readings of the ledger: longer for larger runs."""
    return min(LONGEST_WAIT, max(SHORTEST_WAIT, run.chunk_count / RECORDS_PER_SECOND))


async def check(
    services: Services,
    run: Run,
    clock: Clock | None = None,
    backoff: Backoff = BRIEF,
    on_shard: Callable[[], None] = lambda: None,
) -> RunCounts:
    """Count a run's tasks by state; ``on_shard`` is called for each shard that is read."""
    now = (clock or TrioClock()).wall()
    return await persist(lambda: tally(services.ledger, run, now, on_shard), backoff)


async def wait_for(
    services: Services,
    run: Run,
    on_tally: Callable[[RunCounts, int], None],
    clock: Clock | None = None,
    on_stranded: Callable[[list[DeadLetter]], None] | None = None,
    on_missing: Callable[[int], None] = lambda _tasks: None,
) -> RunCounts:
    """Wait until every task of the run has a result in the ledger.

    A cancelled run ends as well when nothing of it is left on its queues: what was never sent gets no result. With
    ``on_stranded`` so does one whose missing tasks have all been dead letters for a minute: it is told these.
    ``on_missing`` is told each minute how many tasks are on no queue, if they are no dead letters either: their
    messages are lost, or not sent yet.

    ``on_tally`` is told each count, and how many tasks ended by all that is known: the result queue may know of
    more than the ledger was asked for yet.
    """
    clock = clock or TrioClock()
    hints, quiet, dead = ReportListener(services.results, run), Quiet(), Quiet()
    while True:
        counted = await check(services, run, clock, PATIENT_WITH_LEDGER)
        on_tally(counted, counted.ended)
        if counted.complete:
            return counted
        now = clock.monotonic()
        if quiet.due(now) and quiet.note(quiet=await nothing_left(services, run, counted.running), now=now):
            return counted
        if (
            on_stranded
            and dead.due(now)
            and dead.note(quiet=await nothing_queued(services, run, counted.running), now=now)
        ):
            if letters := await stranded(services, counted):
                on_stranded(letters)
                return counted
            on_missing(counted.waiting)
            dead = Quiet()
        await hints.listen(wait_between(run), enough=run.count - counted.ended)
        # Not their sum: what is reported now may have been counted before.
        on_tally(counted, max(counted.ended, hints.total))
