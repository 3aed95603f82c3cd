"""Checks whether a push makes the embedded emulator's queues so long that they get slow."""

from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.settings import Settings

FAST_MESSAGES = 10_000
"""Messages on a queue up to which the embedded emulator was measured to keep its speed."""
SUGGESTED_MESSAGES = 1_000
"""Messages per queue that a suggested chunk size aims at."""


async def capacity_warning(services: Services, settings: Settings, run: Run) -> str:
    """Return a warning to show before the run's messages are sent, or an empty string."""
    if not _on_embedded_emulator(settings):
        return ""
    for part in run.ranges:
        depth = await services.queue(part.pool, run.priority).depth()
        coming = -(-part.count // run.chunk_size)
        queued = depth.visible + depth.in_flight + depth.delayed + coming
        if queued > FAST_MESSAGES:
            chunk_size = min(1000, max(2 * run.chunk_size, -(-part.count // SUGGESTED_MESSAGES)))
            return (
                f"{queued:,} messages on the {part.pool} queue slow the embedded emulator down "
                f"(it is fast up to {FAST_MESSAGES:,}): --chunk {chunk_size} puts more tasks into each message"
            )
    return ""


def _on_embedded_emulator(settings: Settings) -> bool:
    return settings.target == "local" and not settings.endpoint_url
