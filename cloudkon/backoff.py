"""Repeats calls that failed for a reason that may pass, with growing waits in between."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import trio

from cloudkon.errors import Unavailable

T = TypeVar("T")
MOST_DOUBLINGS = 64
"""Keeps the power of two inside the range of a float."""
_RNG = random.Random()  # noqa: S311  (jitter needs no secrecy)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next try.

    Waits are in seconds; they double from ``first`` up to ``most``. ``tries`` is the most calls that ``persist`` makes.
    ``jitter`` is the random share of each wait, from 0.0 (the whole wait is fixed) to 1.0 (anything from 0 s to the
    whole wait): callers that failed together should not come back together. No wait is drawn below ``least``.
    """

    tries: int = 10
    first: float = 0.2
    most: float = 10.0
    jitter: float = 0.5
    least: float = 0.0

    def wait(self, failures: int, rng: random.Random | None = None) -> float:
        """Return the seconds to wait after this number of failures in a row (1 after the first failure)."""
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, MOST_DOUBLINGS))
        return (rng or _RNG).uniform(max(self.least, longest * (1.0 - self.jitter)), longest)

    def waits(self, rng: random.Random | None = None) -> Iterator[float]:
        """Yield the waits between ``tries`` calls."""
        for failures in range(1, self.tries):
            yield self.wait(failures, rng)


PATIENT = Backoff()
"""About half a minute: long enough for an emulator's restart and for the worst of a throttled minute."""
BRIEF = Backoff(tries=4)
"""About a second: a person waits for the answer, and no work can be lost yet."""


async def persist(call: Callable[[], Awaitable[T]], backoff: Backoff) -> T:
    """Repeat the call while it raises ``Unavailable``; the last try may raise it too. The call must be idempotent."""
    for wait in backoff.waits():
        try:
            return await call()
        except Unavailable:
            await trio.sleep(wait)
    return await call()
