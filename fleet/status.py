"""Status: a fleet at one moment, the same on every target."""

from dataclasses import asdict, dataclass
from typing import Any

from cloudkon.words import Depth


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker; ``pid`` is 0 while it waits for its next start, ``uptime_seconds`` of its present life."""

    name: str
    pid: int
    uptime_seconds: float
    restarts: int
    stopping: bool


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One pool. ``backlog`` and ``dead_letters`` are ``None`` where the queue does not answer."""

    desired: int
    restarts: int
    workers: tuple[WorkerStatus, ...] = ()
    backlog: Depth | None = None
    dead_letters: int | None = None

    @property
    def running(self) -> int:
        """How many of its workers run, those included that are about to stop."""
        return sum(worker.pid > 0 for worker in self.workers)


@dataclass(frozen=True, slots=True)
class EmulatorStatus:
    """What stands in for AWS, where something does; ``pid`` is 0 while it is down."""

    pid: int
    restarts: int


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The whole fleet.

    ``problems`` are sentences for a person, each with what it is about; ``notes`` likewise, of what is well as it is.
    """

    fleet: str
    target: str
    endpoint_url: str
    uptime_seconds: float
    emulator: EmulatorStatus | None
    pools: dict[str, PoolStatus]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As ``status --json`` prints it: seconds rounded to tenths, counts flat."""
        return {
            "fleet": self.fleet,
            "target": self.target,
            "endpoint_url": self.endpoint_url,
            "uptime_seconds": round(self.uptime_seconds, 1),
            "emulator": asdict(self.emulator) if self.emulator else None,
            "pools": {name: _pool_json(pool) for name, pool in self.pools.items()},
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def _pool_json(pool: PoolStatus) -> dict[str, Any]:
    backlog = pool.backlog
    return {
        "desired": pool.desired,
        "running": pool.running,
        "restarts": pool.restarts,
        "visible": backlog.visible if backlog else None,
        "in_flight": backlog.in_flight if backlog else None,
        "delayed": backlog.delayed if backlog else None,
        "dead_letters": pool.dead_letters,
        "workers": [{**asdict(one), "uptime_seconds": round(one.uptime_seconds, 1)} for one in pool.workers],
    }
