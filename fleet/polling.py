"""Waits by polling: for files, and for processes that are not our children, where no event can be awaited."""

from collections.abc import Callable

import trio


async def poll_until(condition: Callable[[], bool], seconds: float) -> None:
    """Check the condition now and then every ``seconds``, until it is true."""
    while not condition():  # noqa: ASYNC110  (the condition is outside this process: there is no event)
        await trio.sleep(seconds)
