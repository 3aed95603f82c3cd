"""Defines the loads: what is pushed when, and which instances are lost."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.scaling.cluster import BOOT_SECONDS

HOUR: Final = 3600
Pushes = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Load:
    """``pushed(t)`` is the number of messages pushed until second t, each with ``message_seconds`` of work.

    ``hours`` is the length of the simulation, ``losses`` are the seconds at which Spot takes an instance, and
    ``inactive`` tells whether the queue was idle so long before (over six hours) that its metrics come late.
    """

    name: str
    pushed: Pushes
    message_seconds: float
    hours: float
    boot_seconds: float = BOOT_SECONDS
    losses: tuple[float, ...] = ()
    inactive: bool = True


def _at_once(count: int) -> Pushes:
    return lambda _: count


def _bursts(count: int, every: float, times: int) -> Pushes:
    return lambda now: count * min(times, 1 + now // every)


def _steady(rate: float, seconds: float) -> Pushes:
    return lambda now: rate * min(now, seconds)


def _losses(seed: int, count: int, within: float) -> tuple[float, ...]:
    chance = random.Random(seed)  # noqa: S311  (the same each time)
    return tuple(sorted(chance.uniform(300, within) for _ in range(count)))


ONE: Final = Load("one message of 60 s", _at_once(1), 60, 2)
SMALL: Final = Load("800 messages of 2 s, fleet drained an hour ago", _at_once(800), 2, 2, inactive=False)
STEP: Final = Load("20,000 messages of 2 s", _at_once(20_000), 2, 3)
SLOW: Final = Load("20,000 of 2 s, instances boot in 10 min", _at_once(20_000), 2, 3, boot_seconds=600)
SPOT: Final = Load("20,000 of 2 s, Spot takes 6 instances", _at_once(20_000), 2, 3, losses=_losses(7, 6, 1500))
BURSTS: Final = Load("1,000 of 2 s each half-hour, four times", _bursts(1000, HOUR / 2, 4), 2, 4)
STEADY: Final = Load("4 of 2 s each second, for six hours", _steady(4, 6 * HOUR), 2, 8)
LONG: Final = Load("64 messages of ten minutes", _at_once(64), 600, 12)
LOADS: Final = (ONE, SMALL, STEP, SLOW, SPOT, BURSTS, STEADY, LONG)
