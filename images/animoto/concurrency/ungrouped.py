"""Cause: the one error behind a group of them."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")


async def ungrouped(work: Callable[[], Awaitable[T]]) -> T:
    """Do work whose tasks only help one another: where one fails and so ends the others, raise its error alone."""
    try:
        return await work()
    except BaseExceptionGroup as group:
        failed = _cause(group)
    # Raised in the block above it would get the group as its context, which holds it: a circle, with all that the
    # frames of its traceback hold, until Python looks for such.
    raise failed


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in it that is not a cancellation; the group itself if there is none."""
    for error in group.exceptions:
        found = _cause(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(found, trio.Cancelled | BaseExceptionGroup):
            return found
    return group
