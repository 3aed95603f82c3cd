"""Chunking: how many tasks a message of a workload should hold, where the user leaves that to us."""

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
"""What users say who leave it to us."""


def auto_chunk_size(
    staged: StagedWorkload, durations: Durations, pushes: Pushes, observe: Callable[[], dict[str, float]]
) -> int:
    """Tasks that a chunk of the workload should hold; ``durations.unknown`` is left with words that nothing tells of.

    ``observe`` gives what tasks took in the run pushed last, in seconds by word; it is asked only where it matters.
    """
    unfinished = pushes.unfinished(staged.record_name)
    if unfinished:
        # What broke off goes on as it began.
        return next(iter(unfinished))
    if durations.unknown:
        # Without a fleet, or a run whose instructions were kept, nothing was observed.
        with suppress(InvalidInput, ServiceError):
            durations.observe(observe())
    return durations.chunk_size()


async def observed_in_last_run(services: Services, pushes: Pushes, durations: Durations) -> dict[str, float]:
    """What tasks of the words took that ``durations`` knows nothing of. Raises what ``observed_durations`` does."""
    run = await find_run(services.ledger, None, pushes)
    return await observed_durations(services, run, set(durations.unknown))
