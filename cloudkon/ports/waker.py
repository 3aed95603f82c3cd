"""Waker: has a fleet that stands at zero workers begin, so that a push need not wait for an alarm to notice it."""

from collections.abc import Mapping
from typing import Protocol


class Waker(Protocol):
    """Starts workers where the fleet is allowed to start them by itself."""

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:
        """Have workers come up in each pool that has none and is about to get ``chunks`` (by pool name) of work.

        Gives sentences for a person: what was started, and why a pool that stays at zero does. Never raises a
        ``CloudKonError``: work that is pushed is safe without workers, and a push must not fail for want of them.
        """
        ...


class NullWaker:
    """The waker of a fleet whose workers never go away by themselves: it has nothing to do."""

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:  # noqa: ARG002  (the port's)
        """Nothing, and nothing to say."""
        return ()
