"""Service scaling: what Application Auto Scaling makes of a pool's count, looking once a minute.

Target tracking as its guide describes it: out at once, to the count times metric by target, rounded up; in once fifteen
points lie more than a tenth below the target; each with its cooldown. The count that it begins from is the one of ECS
tasks that run, and not of those wanted (ECS Developer Guide, Automatically scale your Amazon ECS service).
"""

import math
from dataclasses import dataclass, field
from typing import Final

from benchmarks.scaling.cloudwatch import Alarm, Metrics
from benchmarks.scaling.template import Scaling

OUT_POINTS: Final = 3
IN_POINTS: Final = 15
IN_SHARE: Final = 0.9


@dataclass
class ServiceScaling:
    """Sets ``count``, the ECS tasks that are wanted, between ``least`` and ``most``.

    ``from_running``: whether steps begin from those that run, as the guide says, or from those wanted, as the steps of
    other services do. The template's policy is to do under both.
    """

    scaling: Scaling
    most: int
    least: int = 0
    count: int = 0
    from_running: bool = True
    changes: list[tuple[float, int, int]] = field(default_factory=list)
    """When it changed, from what, to what."""
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
        """Have so many, within the bounds, whoever says so."""
        bounded = max(self.least, min(self.most, count))
        if bounded != self.count:
            self.changes.append((now, self.count, bounded))
            self.count = bounded

    def look(self, now: float, metrics: Metrics, running: int) -> None:
        """Once a minute, while so many run."""
        if self._asleep.rings(metrics, now) and now >= self._wake_until:
            self._wake_until = now + self.scaling.wake_cooldown
            self.set(now, self.count + self.scaling.wake_adjustment)
        there = running if self.from_running else self.count
        if self._high.rings(metrics, now):
            self._grow(now, self._high.looked_at(metrics, now)[-1], there)
        elif self._low.rings(metrics, now):
            self._shrink(now, self._low.looked_at(metrics, now)[-1], there)

    def _grow(self, now: float, metric: float, there: int) -> None:
        """In the cooldown, what the last step began from counts, so that only a larger step than that one is taken."""
        cooling = now < self._out_until
        wanted = math.ceil((self._base if cooling else there) * metric / self.scaling.target)
        if wanted > self.count:
            if not cooling:
                self._base = there
            before = self.count
            self.set(now, wanted)
            if self.count > before:
                self._out_until = now + self.scaling.out_cooldown

    def _shrink(self, now: float, metric: float, there: int) -> None:
        if now < self._in_until:
            return
        wanted = math.ceil(there * metric / self.scaling.target)
        if wanted < self.count:
            self.set(now, wanted)
            self._in_until = now + self.scaling.in_cooldown
