"""Backoff: how a call that failed in a way that may pass is made again."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import trio

from cloudkon.errors import Unavailable

T = TypeVar("T")
MOST_DOUBLINGS = 64
"""A power of two beyond that no float needs."""
_RNG = random.Random()  # noqa: S311  (jitter is no secret)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before another try.

    Waits are in seconds and double from ``first`` up to ``most``; ``tries`` bounds the calls that ``persist`` makes.
    ``jitter`` is the part of each wait that is drawn at random, so that callers who failed together don't come back
    together: 0.0 for none of it, 1.0 for all of it.
    """

    tries: int = 10
    first: float = 0.2
    most: float = 10.0
    jitter: float = 0.5

    def wait(self, failures: int, rng: random.Random | None = None) -> float:
        """Return the seconds to wait after so many failures in a row (1 for the first one)."""
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, MOST_DOUBLINGS))
        return longest * (rng or _RNG).uniform(1.0 - self.jitter, 1.0)

    def waits(self, rng: random.Random | None = None) -> Iterator[float]:
        """Yield the waits between ``tries`` calls."""
        for failures in range(1, self.tries):
            yield self.wait(failures, rng)


PATIENT = Backoff()
"""About half a minute: an emulator's restart or a throttled minute's worst part passes within it."""
BRIEF = Backoff(tries=4)
"""About a second: nothing is under way yet that could be lost, and somebody sits there and waits for an answer."""


async def persist(call: Callable[[], Awaitable[T]], backoff: Backoff) -> T:
    """Make the call until it succeeds; its last try may raise ``Unavailable``. It must bear being made twice."""
    for wait in backoff.waits():
        try:
            return await call()
        except Unavailable:
            await trio.sleep(wait)
    return await call()
