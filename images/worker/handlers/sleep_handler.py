"""Runs ``sleep MILLISECONDS``."""

from cloudkon.handler import Context
from cloudkon.instructions.sleep import sleep_seconds

from .kernel_timer import sleep_exactly


async def sleep(arguments: str, context: Context) -> None:  # noqa: ARG001  (a handler)
    """Sleep; the output is empty."""
    if seconds := sleep_seconds(arguments):
        await sleep_exactly(seconds)
