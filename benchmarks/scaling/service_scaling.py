"""Simulates how Application Auto Scaling sets a pool's count, once a minute.

Target tracking works as its guide describes: it scales out at once, to count * metric / target, rounded up; it scales
in when fifteen points are more than a tenth below the target; each has its cooldown. It starts from the number of
running ECS tasks, not from the desired count (ECS Developer Guide, Automatically scale your Amazon ECS service).
"""

import math
from dataclasses import dataclass, field
from typing import Final

from benchmarks.scaling.cloudwatch import Alarm, Metrics
from benchmarks.scaling.compute_template import Scaling

OUT_POINTS: Final = 3
IN_POINTS: Final = 15
IN_SHARE: Final = 0.9


@dataclass
class ServiceScaling:
    """Sets ``count``, the desired number of ECS tasks, between ``least`` and ``most``.

    ``from_running``: whether steps start from the running tasks, as the guide says, or from the desired count, as for
    other services. The template's policy must work with both.
    """

    scaling: Scaling
    most: int
    least: int = 0
    count: int = 0
    from_running: bool = True
    changes: list[tuple[float, int, int]] = field(default_factory=list)
    """The time of each change, the count before it and the count after it."""
    _base: int = 0
    _out_until: float = -math.inf
    _in_until: float = -math.inf
    _wake_until: float = -math.inf

    def __post_init__(self) -> None:
        scaling = self.scaling
        self._high = Alarm(scaling.backlog, OUT_POINTS, scaling.target)
        self._low = Alarm(scaling.backlog, IN_POINTS, IN_SHARE * scaling.target, above=False)
        self._asleep = Alarm(scaling.asleep, scaling.wake_points, 0.0)

    def set(self, now: float, count: int) -> None:
        """Set the count within the bounds."""
        bounded = max(self.least, min(self.most, count))
        if bounded != self.count:
            self.changes.append((now, self.count, bounded))
            self.count = bounded

    def evaluate(self, now: float, metrics: Metrics, running: int) -> None:
        """Evaluate the alarms, once a minute; ``running`` ECS tasks run."""
        if self._asleep.is_breached(metrics, now) and now >= self._wake_until:
            self._wake_until = now + self.scaling.wake_cooldown
            self.set(now, self.count + self.scaling.wake_adjustment)
        base = running if self.from_running else self.count
        if self._high.is_breached(metrics, now):
            self._grow(now, self._high.newest_points(metrics, now)[-1], base)
        elif self._low.is_breached(metrics, now):
            self._shrink(now, self._low.newest_points(metrics, now)[-1], base)

    def _grow(self, now: float, metric: float, base: int) -> None:
        """During the cooldown the last step's base counts, so that only a step larger than that one is taken."""
        cooling = now < self._out_until
        wanted = math.ceil((self._base if cooling else base) * metric / self.scaling.target)
        if wanted > self.count:
            if not cooling:
                self._base = base
            before = self.count
            self.set(now, wanted)
            if self.count > before:
                self._out_until = now + self.scaling.out_cooldown

    def _shrink(self, now: float, metric: float, base: int) -> None:
        if now < self._in_until:
            return
        wanted = math.ceil(base * metric / self.scaling.target)
        if wanted < self.count:
            self.set(now, wanted)
            self._in_until = now + self.scaling.in_cooldown
