"""Simulates a cluster: instances boot, ECS tasks are placed by memory, and managed scaling resizes the group."""

import math
from dataclasses import dataclass, field
from typing import Final

from benchmarks.scaling.compute_template import Scaling
from benchmarks.scaling.simulated_queue import SimulatedQueue

BOOT_SECONDS: Final = 180.0
"""Seconds from an instance's launch to its registration."""
START_SECONDS: Final = 20.0
"""Seconds from an ECS task's placement to its worker's first receive, with a share of the image's pull."""
FIRST_STEP: Final = 2
"""Instances that the first step from zero launches (Deep Dive on Amazon ECS Cluster Auto Scaling, AWS's blog)."""
IDLE_POINTS: Final = 15
"""One-minute points of too much capacity before managed scaling removes instances."""
SHRINK_SHARE: Final = 0.5
"""The largest share of the group to remove in one step (Faster scaling-in for Amazon ECS Cluster Auto Scaling, AWS's
blog)."""


@dataclass(eq=False)
class Worker:
    """An ECS task with one slot. ``left``: remaining seconds of its message; ``ready``: when it starts to receive."""

    ready: float
    left: float = 0.0
    leaving: bool = False


@dataclass(eq=False)
class Instance:
    """An instance; ``ready`` is when it registers."""

    ready: float
    workers: list[Worker] = field(default_factory=list)


@dataclass
class Cluster:
    """At most ``most`` instances, each with room for ``scaling.holds`` ECS tasks."""

    scaling: Scaling
    most: int
    queue: SimulatedQueue
    boot_seconds: float = BOOT_SECONDS
    instances: list[Instance] = field(default_factory=list)
    waiting: int = 0
    """ECS tasks that wait for an instance."""
    _idle_points: int = 0
    _busy: float = 0.0

    @property
    def workers(self) -> list[Worker]:
        """All ECS tasks that are placed."""
        return [worker for instance in self.instances for worker in instance.workers]

    def running(self, now: float) -> int:
        """The number of ECS tasks in the state RUNNING."""
        return sum(worker.ready <= now for worker in self.workers)

    def want(self, count: int) -> None:
        """Set the service's count; surplus workers leave when they have finished their message."""
        staying = [worker for worker in self.workers if not worker.leaving]
        surplus = len(staying) - count
        self.waiting = max(0, -surplus)
        # ECS stops tasks where most room is left afterwards (ECS guide, Task placement strategies: binpack).
        for instance in sorted(self.instances, key=lambda one: len(one.workers)):
            for worker in instance.workers:
                if surplus > 0 and not worker.leaving:
                    worker.leaving, surplus = True, surplus - 1

    def place(self, now: float) -> None:
        """Place the waiting ECS tasks on instances with room, the fullest first."""
        for instance in sorted(self.instances, key=lambda one: -len(one.workers)):
            while self.waiting and instance.ready <= now and len(instance.workers) < self.scaling.holds:
                instance.workers.append(Worker(now + START_SECONDS))
                self.waiting -= 1

    def work(self, now: float, seconds: float) -> float:
        """Run the workers for ``seconds`` from ``now`` on; return the mean number of messages in flight."""
        self._busy = 0.0
        for instance in self.instances:
            for worker in list(instance.workers):
                if self._run(worker, now, seconds):
                    instance.workers.remove(worker)
        return self._busy / seconds

    def _run(self, worker: Worker, now: float, seconds: float) -> bool:
        """Run one worker; return whether it has left."""
        at, end = max(now, worker.ready), now + seconds
        while at < end:
            if not worker.left:
                if worker.leaving:
                    return True
                if not self.queue.take(at):
                    return False
                worker.left = self.queue.message_seconds
            step = min(worker.left, end - at)
            at, worker.left, self._busy = at + step, worker.left - step, self._busy + step
            if not worker.left:
                self.queue.done(at)
        return worker.leaving and not worker.left

    def lose(self, number: int) -> None:
        """Lose an instance to a Spot interruption: its workers release their messages."""
        if self.instances:
            for worker in self.instances.pop(number % len(self.instances)).workers:
                if worker.left:
                    self.queue.release()

    def evaluate(self, now: float) -> None:
        """Run managed scaling, once a minute: out at once unless instances boot, in after fifteen points."""
        if any(instance.ready > now for instance in self.instances):
            return
        missing = math.ceil(self.waiting / self.scaling.holds)
        if missing:
            self._idle_points = 0
            launched = FIRST_STEP if not self.instances else min(missing, self.scaling.step)
            room = self.most - len(self.instances)
            self.instances += [Instance(now + self.boot_seconds) for _ in range(int(min(launched, room)))]
            return
        idle = [instance for instance in self.instances if not instance.workers]
        self._idle_points = self._idle_points + 1 if idle else 0
        if self._idle_points >= IDLE_POINTS:
            for instance in idle[: max(1, math.floor(SHRINK_SHARE * len(self.instances)))]:
                self.instances.remove(instance)
