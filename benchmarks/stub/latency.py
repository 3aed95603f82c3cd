"""Draws a service's response time from a distribution that is defined by its quantiles."""

import random
from collections.abc import Sequence
from itertools import pairwise
from math import exp, log
from typing import Final

Quantiles = Sequence[tuple[float, float]]
"""Shares from 0 to 1, each with the milliseconds within which that share of responses comes."""

SQS: Final[Quantiles] = ((0.0, 4.0), (0.16, 5.0), (0.5, 8.7), (0.84, 15.0), (0.99, 50.0), (1.0, 80.0))
"""One standard deviation around the median is 5 to 15 ms, and one response in a hundred takes 50 ms or more."""
DYNAMODB: Final[Quantiles] = ((0.0, 2.5), (0.16, 3.0), (0.5, 4.2), (0.84, 6.0), (0.99, 15.0), (1.0, 30.0))
"""The same with 3 to 6 ms and 15 ms."""


class Latency:
    """Draws seconds. The same seed gives the same draws."""

    def __init__(self, quantiles: Quantiles, seed: int) -> None:
        """Interpolate the logarithm of the time linearly between two quantiles."""
        self._parts = [
            (high, low, log(slow / fast) / (high - low), fast / 1000)
            for (low, fast), (high, slow) in pairwise(quantiles)
        ]
        self._rng = random.Random(seed)  # noqa: S311  (a simulation)

    def draw(self) -> float:
        """Seconds until the next response."""
        share = self._rng.random()
        for high, low, slope, fast in self._parts:
            if share <= high:
                return fast * exp(slope * (share - low))
        raise AssertionError("the last quantile is 1")
