"""Cause: the one error behind a group."""

import trio


def cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in it that is not a cancellation; the group itself if there is none.

    Where tasks only help one another, the first to fail ends the others, and users are told of that one.
    """
    for error in group.exceptions:
        found = cause(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(found, trio.Cancelled | BaseExceptionGroup):
            return found
    return group
