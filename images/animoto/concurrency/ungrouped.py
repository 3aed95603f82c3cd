"""Raises the one error behind an exception group."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")


async def ungrouped(work: Callable[[], Awaitable[T]]) -> T:
    """Run work, and raise the error of its first failed task alone.

    This is for tasks that only help one another, where one failure cancels the others.
    """
    try:
        return await work()
    except BaseExceptionGroup as group:
        failed = _cause(group)
    # Raised in the block above, the error would have the group as its context, and the group holds the error. This
    # reference cycle would keep all that the traceback's frames hold until Python's next garbage collection.
    raise failed


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in the group that is not a cancellation, or the group itself if there is none."""
    for error in group.exceptions:
        found = _cause(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(found, trio.Cancelled | BaseExceptionGroup):
            return found
    return group
