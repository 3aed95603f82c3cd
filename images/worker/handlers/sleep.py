"""``sleep MILLISECONDS``."""

import trio

from cloudkon.instructions.sleep import sleep_seconds
from images.worker.context import Context


async def sleep(arguments: str, context: Context) -> None:  # noqa: ARG001  (a handler)
    """Sleep, and answer nothing."""
    await trio.sleep(sleep_seconds(arguments))
