"""Polling: waiting for files and for processes that are not our children, neither of which wakes anybody."""

from collections.abc import Callable

import trio


async def poll_until(condition: Callable[[], bool], every: float) -> None:
    """Wait until the condition is true, looking at once and then every so many seconds."""
    while not condition():  # noqa: ASYNC110  (what is waited for is outside this process: there is no event)
        await trio.sleep(every)
