"""Waking: has a fleet that stands at zero start workers for a run that is about to be sent."""

from cloudkon.model import Run
from cloudkon.ports import Services


async def wake_for(services: Services, run: Run) -> tuple[str, ...]:
    """Wake each pool that gets some of the run; give sentences for a person about it."""
    return await services.waker.wake({part.pool: -(-part.count // run.chunk_size) for part in run.ranges})
