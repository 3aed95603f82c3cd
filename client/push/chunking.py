"""Chooses how many tasks a message holds, for ``--chunk auto`` and ``chunk="auto"``."""

from collections.abc import Callable
from contextlib import suppress

from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.ports import Services

from ..records.observed_durations import observed_durations
from ..records.pushes import Pushes
from ..records.runs import find_run
from .durations import Durations
from .staged_workload import StagedWorkload

AUTO = "auto"
"""What users type to have the size chosen."""


def auto_chunk_size(
    staged: StagedWorkload, durations: Durations, pushes: Pushes, observe: Callable[[], dict[str, float]]
) -> int:
    """Return the number of tasks that a chunk should hold; ``durations.unknown`` keeps the words of unknown duration.

    ``observe`` returns how long tasks took in the run pushed last, in seconds by word. It is called only if needed.
    """
    unfinished = pushes.unfinished(staged.record_name)
    if unfinished:
        # An unfinished push is resumed with its own chunk size.
        return next(iter(unfinished))
    if durations.unknown:
        # Nothing was observed if there is no fleet, or no run whose instructions were kept.
        with suppress(InvalidInput, ServiceError):
            durations.observe(observe())
    return durations.chunk_size()


async def observed_in_last_run(services: Services, pushes: Pushes, durations: Durations) -> dict[str, float]:
    """Return how long tasks of unknown words took in the run pushed last. Raises what ``observed_durations`` raises."""
    run = await find_run(services.ledger, None, pushes)
    return await observed_durations(services, run, set(durations.unknown))
