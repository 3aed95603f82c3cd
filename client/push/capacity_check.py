"""Crowding: the embedded emulator's queues get slower the more lies on them, which a push should say beforehand."""

from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.settings import Settings

COMFORTABLE = 10_000
"""Messages on a queue up to which the embedded emulator was measured to keep its pace."""
SUGGESTED = 1_000
"""Messages a queue that a suggested chunk size aims at."""


def on_embedded_emulator(settings: Settings) -> bool:
    """Whether the fleet's queues are the embedded emulator's."""
    return settings.target == "local" and not settings.endpoint_url


async def crowding(services: Services, run: Run) -> str:
    """What to warn of before the run's messages are sent, or nothing."""
    for part in run.ranges:
        depth = await services.queue(part.pool, run.priority).depth()
        coming = -(-part.count // run.chunk_size)
        queued = depth.visible + depth.in_flight + depth.delayed + coming
        if queued > COMFORTABLE:
            chunk_size = min(1000, max(2 * run.chunk_size, -(-part.count // SUGGESTED)))
            return (
                f"{queued:,} messages on the {part.pool} queue slow the embedded emulator down "
                f"(it is good for {COMFORTABLE:,}): --chunk {chunk_size} puts more tasks into each"
            )
    return ""
