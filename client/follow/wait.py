"""Counts a run's tasks, once (``check``) or until the run is over (``wait_for``)."""

from collections.abc import Callable, Sequence

from cloudkon.backoff import BRIEF, Backoff, persist
from cloudkon.model import Run
from cloudkon.ports import Clock, Services, TrioClock

from ..dead_letters.dead_letters import DeadLetter
from .report_listener import ReportListener
from .run_completion import RunCompletion
from .run_counts import RunCounts, count_tasks

RECORDS_PER_SECOND = 2_000
"""Chunk records that waiting reads a second on average: bounds what a long wait for a large run costs."""
SHORTEST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds between two readings of the ledger, at the least and at the most."""
PATIENT_WITH_LEDGER = Backoff(tries=20)
"""Waiting may go on for hours: a ledger that doesn't answer for some two minutes doesn't end it."""


def wait_between(run: Run) -> float:
    """Return the seconds between two readings of the ledger: longer for larger runs."""
    return min(LONGEST_WAIT, max(SHORTEST_WAIT, run.chunk_count / RECORDS_PER_SECOND))


async def check(
    services: Services,
    run: Run,
    clock: Clock | None = None,
    backoff: Backoff = BRIEF,
    on_shard: Callable[[], None] = lambda: None,
) -> RunCounts:
    """Count a run's tasks by state; ``on_shard`` is called after each shard that was read."""
    now = (clock or TrioClock()).wall()
    return await persist(lambda: count_tasks(services.ledger, run, now, on_shard), backoff)


async def wait_for(
    services: Services,
    run: Run,
    on_counts: Callable[[RunCounts, int], None],
    clock: Clock | None = None,
    on_stranded: Callable[[Sequence[DeadLetter]], None] | None = None,
    on_missing: Callable[[int], None] = lambda _tasks: None,
) -> RunCounts:
    """Wait until the run is over, as ``RunCompletion`` decides it, and return the last counts.

    ``on_counts`` is called with each count and the number of tasks that are known to have ended: the result queue may
    report more of them than the last reading of the ledger. ``on_stranded`` and ``on_missing`` are those of
    ``RunCompletion``; without ``on_stranded``, dead letters don't end the waiting.
    """
    clock = clock or TrioClock()
    listener, completion = ReportListener(services.results, run), RunCompletion(services, run, on_stranded, on_missing)
    while True:
        counts = await check(services, run, clock, PATIENT_WITH_LEDGER)
        on_counts(counts, counts.ended)
        if await completion.is_over(counts, clock.monotonic()):
            return counts
        await listener.listen(wait_between(run), enough=run.count - counts.ended)
        # Not their sum: a task that is reported now may have been counted before.
        on_counts(counts, max(counts.ended, listener.total))
