"""Backoff: how a call that failed in a way that may pass is made again."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import trio

from cloudkon.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """``tries`` calls at the most; the waits between them, in seconds, double from ``first`` up to ``most``."""

    tries: int = 10
    first: float = 0.2
    most: float = 10.0

    def waits(self) -> Iterator[float]:
        """The waits, each somewhere in its upper half, so that callers who failed together don't come back together."""
        for turn in range(self.tries - 1):
            yield min(self.most, self.first * 2**turn) * random.uniform(0.5, 1.0)  # noqa: S311  (jitter is no secret)


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
