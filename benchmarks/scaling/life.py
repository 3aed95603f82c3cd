"""Life: one load on one fleet, from the first push to the end of the time it is looked at."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from benchmarks.scaling.cloudwatch import MINUTE, QUEUE_LATE, WOKEN_LATE, Metrics
from benchmarks.scaling.cluster import Cluster, Instance
from benchmarks.scaling.load import HOUR, Load
from benchmarks.scaling.queue import Queue
from benchmarks.scaling.service_scaling import ServiceScaling
from benchmarks.scaling.template import Scaling

STEP_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Fleet:
    """``fixed`` workers that are there all the time, or else autoscaling up to ``most`` workers.

    ``push_wakes``: whether ``client push`` gives a fleet at zero its workers, or the alarm alone.
    """

    scaling: Scaling
    most: int = 64
    instances: int = 16
    fixed: int = 0
    push_wakes: bool = True
    queue_late: float = QUEUE_LATE
    from_running: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """The state at one minute."""

    minute: int
    backlog: int
    wanted: int
    running: int
    instances: int


@dataclass
class Life:
    """What came of it. ``first`` and ``drained`` in seconds from the first push, ``None`` where that never was."""

    looks: list[Look] = field(default_factory=list)
    changes: list[tuple[float, int, int]] = field(default_factory=list)
    first: float | None = None
    drained: float | None = None
    instance_hours: float = 0.0

    @property
    def most_wanted(self) -> int:
        """The largest count of workers."""
        return max(look.wanted for look in self.looks)

    @property
    def most_instances(self) -> int:
        """The largest count of instances."""
        return max(look.instances for look in self.looks)

    @property
    def turns(self) -> int:
        """How often the count went the other way than before."""
        ways = [after > before for _, before, after in self.changes]
        return sum(one != other for one, other in pairwise(ways))


def live(load: Load, fleet: Fleet) -> Life:
    """Simulate it."""
    queue, life = Queue(load.message_seconds), Life()
    cluster = Cluster(fleet.scaling, fleet.instances, queue, load.boot_seconds)
    service = ServiceScaling(
        fleet.scaling, fleet.fixed or fleet.most, fleet.fixed, fleet.fixed, from_running=fleet.from_running
    )
    metrics = Metrics(queue_late=fleet.queue_late, silent_until=WOKEN_LATE if load.inactive else 0.0)
    if fleet.fixed:
        _stand(cluster, fleet.fixed)
    _remember(metrics, load, fleet.fixed)
    pushed, in_flight, losses = 0, 0.0, list(load.losses)
    for now in range(0, int(load.hours * HOUR), STEP_SECONDS):
        new = int(load.pushed(now)) - pushed
        pushed, queue.visible = pushed + new, queue.visible + new
        if new and fleet.push_wakes and not service.count:
            service.set(now, max(1, math.ceil(new / fleet.scaling.target)))
        if now % MINUTE == 0:
            if now:
                metrics.put_queue(now, visible=queue.visible, inflight=in_flight, visible_high=0, inflight_high=0)
                metrics.put_insights(now, desired=service.count, running=cluster.running(now))
                service.look(now, metrics, cluster.running(now))
            life.looks.append(
                Look(
                    now // MINUTE,
                    queue.visible + queue.in_flight,
                    service.count,
                    cluster.running(now),
                    len(cluster.instances),
                )
            )
        while losses and losses[0] <= now:
            cluster.lose(int(losses.pop(0)))
        cluster.want(service.count)
        cluster.place(now)
        if now % MINUTE == 0:
            cluster.look(now)
        life.instance_hours += len(cluster.instances) * STEP_SECONDS / HOUR
        in_flight = cluster.work(now, STEP_SECONDS)
    life.changes, life.first = service.changes, queue.first
    life.drained = None if queue.visible + queue.in_flight else queue.last
    return life


def _remember(metrics: Metrics, load: Load, count: int) -> None:
    """Fill in the hour before: an empty queue, whose metrics came if it was active, and a service that stood still."""
    for before in range(-HOUR, 0, MINUTE):
        metrics.put_insights(before, desired=count, running=count)
        if not load.inactive:
            metrics.put_queue(before, visible=0, inflight=0, visible_high=0, inflight_high=0)


def _stand(cluster: Cluster, count: int) -> None:
    """Have as many instances and workers as a fixed count needs, from the beginning."""
    cluster.instances = [Instance(-HOUR) for _ in range(math.ceil(count / cluster.scaling.holds))]
    cluster.want(count)
    cluster.place(-HOUR)
