"""Declares the waker, which starts workers in a fleet without any, so that a push need not wait for an alarm."""

from collections.abc import Mapping
from typing import Protocol


class Waker(Protocol):
    """Starts workers in pools that scale automatically."""

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:
        """Start workers in each pool that has none and is about to get work. ``chunks`` counts chunks by pool name.

        Returns sentences for people: what was started, and why a pool stays without workers. Never raises a
        ``CloudKonError``: pushed work is safe without workers, so the push must not fail for lack of them.
        """
        ...


class NullWaker:
    """Does nothing: the waker of a fleet whose workers never stop by themselves."""

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:  # noqa: ARG002  (the port's)
        """Return no sentences."""
        return ()
