"""Defines a fleet's status at one moment, the same for every target."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from cloudkon.model import Depth
from cloudkon.ports import Services


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker; ``pid`` is 0 while it waits for its next start, ``uptime_seconds`` counts from its last start."""

    name: str
    pid: int
    uptime_seconds: float
    restarts: int
    stopping: bool


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One pool. ``backlog`` and ``dead_letters`` are ``None`` if the queue does not answer.

    ``counted`` is the number of running workers on a target that counts workers without listing them, and ``pending``
    the number of desired workers that are being started. ``oldest_seconds`` is the age of the oldest message, if known.
    ``scaling`` names what sets the count, on a target with autoscaling.
    """

    desired: int
    restarts: int
    workers: tuple[WorkerStatus, ...] = ()
    backlog: Depth | None = None
    dead_letters: int | None = None
    counted: int | None = None
    pending: int = 0
    oldest_seconds: float | None = None
    scaling: str = ""

    @property
    def running(self) -> int:
        """How many workers run, including those that are stopping."""
        return sum(worker.pid > 0 for worker in self.workers) if self.counted is None else self.counted


@dataclass(frozen=True, slots=True)
class EmulatorStatus:
    """The emulator that replaces AWS; ``pid`` is 0 while it is down."""

    pid: int
    restarts: int


@dataclass(frozen=True, slots=True)
class InstancesStatus:
    """The fleet's own EC2 instances; ``most`` are allowed, and ``idle`` of the ``registered`` ones run no workers."""

    wanted: int
    most: int
    running: int
    registered: int
    idle: int


@dataclass(frozen=True, slots=True)
class CostStatus:
    """US dollars an hour now, and for 1,000 tasks at the current rate (``None`` if no task ended recently)."""

    hour: float
    thousand_tasks: float | None
    origin: str


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The whole fleet.

    ``problems`` and ``notes`` are sentences for a person, each with its subject; notes describe what needs no repair.
    ``place`` is the account and region. ``place``, ``instances`` and ``cost`` are set on AWS only.
    """

    fleet: str
    target: str
    endpoint_url: str
    uptime_seconds: float
    emulator: EmulatorStatus | None
    pools: dict[str, PoolStatus]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    place: str = ""
    instances: InstancesStatus | None = None
    cost: CostStatus | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what ``status --json`` prints: seconds rounded to tenths, counts flat."""
        return {
            "fleet": self.fleet,
            "target": self.target,
            "endpoint_url": self.endpoint_url,
            "uptime_seconds": round(self.uptime_seconds, 1),
            "emulator": asdict(self.emulator) if self.emulator else None,
            "pools": {name: _pool_json(pool) for name, pool in self.pools.items()},
            "problems": list(self.problems),
            "notes": list(self.notes),
            "place": self.place,
            "instances": asdict(self.instances) if self.instances else None,
            "cost": asdict(self.cost) if self.cost else None,
        }


async def with_queue_depths(pool: PoolStatus, services: Services, name: str) -> PoolStatus:
    """Return the pool's status with the depths of its queues. Raises ``CloudKonError`` if a queue does not answer."""
    backlog = await services.backlog(name)
    dead = await services.dead_letters[name].depth()
    return replace(pool, backlog=backlog, dead_letters=dead.visible + dead.in_flight + dead.delayed)


def _pool_json(pool: PoolStatus) -> dict[str, Any]:
    backlog = pool.backlog
    return {
        "desired": pool.desired,
        "running": pool.running,
        "pending": pool.pending,
        "scaling": pool.scaling,
        "restarts": pool.restarts,
        "visible": backlog.visible if backlog else None,
        "in_flight": backlog.in_flight if backlog else None,
        "delayed": backlog.delayed if backlog else None,
        "dead_letters": pool.dead_letters,
        "oldest_seconds": pool.oldest_seconds,
        "workers": [{**asdict(one), "uptime_seconds": round(one.uptime_seconds, 1)} for one in pool.workers],
    }
