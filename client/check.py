"""Check: how far a run is, now or when it has ended."""

from collections.abc import Callable

from client.backoff import BRIEF, Backoff, persist
from client.hints import Hints
from client.tally import Tally, tally
from cloudkon.ports import Clock, Services, TrioClock
from cloudkon.words import Run

RECORDS_PER_SECOND = 2_000
"""Chunk records that waiting reads a second on average: bounds what a long wait for a large run costs."""
SHORTEST_WAIT = 0.5
LONGEST_WAIT = 30.0
PATIENT_WITH_LEDGER = Backoff(tries=20)
"""Waiting may go on for hours: a ledger that is away for some two minutes doesn't end it."""


def wait_between(run: Run) -> float:
    """Seconds between two readings of the ledger: longer for larger runs."""
    return min(LONGEST_WAIT, max(SHORTEST_WAIT, run.chunk_count / RECORDS_PER_SECOND))


async def check(services: Services, run: Run, clock: Clock | None = None, backoff: Backoff = BRIEF) -> Tally:
    """Count a run's tasks by state."""
    now = (clock or TrioClock()).wall()
    return await persist(lambda: tally(services.ledger, run, now), backoff)


async def wait_for(
    services: Services, run: Run, on_tally: Callable[[Tally, int], None], clock: Clock | None = None
) -> Tally:
    """Wait until every task of the run has a result in the ledger.

    ``on_tally`` is told each count, and how many tasks ended by all that is known: the result queue may know of
    more than the ledger was asked for yet.
    """
    hints = Hints(services.results, run)
    while True:
        counted = await check(services, run, clock, PATIENT_WITH_LEDGER)
        on_tally(counted, counted.ended)
        if counted.complete:
            return counted
        await hints.listen(wait_between(run), enough=run.count - counted.ended)
        # Not their sum: what is reported now may have been counted before.
        on_tally(counted, max(counted.ended, hints.total))
