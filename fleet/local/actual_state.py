"""Defines the actual state: what the supervisor last wrote about itself and its processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from .processes.process import Process


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One supervised process.

    ``pid`` is 0 while the process waits for its next start, ``started`` is in epoch seconds, ``problem`` is empty if
    the process is well, and ``last_end`` describes its last exit without a request to stop.
    """

    name: str
    pid: int = 0
    born: str = ""
    started: float = 0.0
    restarts: int = 0
    stopping: bool = False
    problem: str = ""
    last_end: str = ""
    shim_pid: int = 0
    shim_born: str = ""

    @property
    def shim(self) -> Process | None:
        """The process's shim, which may have ended since; ``None`` if none was running."""
        return Process(self.shim_pid, self.shim_born) if self.shim_pid else None

    @property
    def process(self) -> Process | None:
        """The operating system's process, which may have ended since; ``None`` if none was running."""
        return Process(self.pid, self.born) if self.pid else None


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool's workers: ``desired`` is the supervisor's target count, ``restarts`` the count since its start."""

    desired: int = 0
    restarts: int = 0
    members: tuple[ProcessState, ...] = ()


@dataclass(frozen=True, slots=True)
class ActualState:
    """The fleet as its supervisor sees it.

    ``started`` is in epoch seconds. ``answered`` is the newest request that the supervisor has handled. ``ready`` means
    that the emulator answers and the stack is complete; otherwise ``problem`` gives the reason. ``settings`` are the
    environment variables that the supervisor was started with. ``identity`` is the state directory's id; older versions
    wrote none.
    """

    fleet: str
    supervisor: Process
    started: float
    endpoint_url: str
    answered: int = 0
    ready: bool = False
    problem: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    emulator: ProcessState = field(default_factory=lambda: ProcessState("emulator"))
    pools: Mapping[str, PoolState] = field(default_factory=dict)

    @property
    def workers(self) -> list[ProcessState]:
        """All pools' workers."""
        return [member for pool in self.pools.values() for member in pool.members]

    def pool(self, name: str) -> PoolState:
        """One pool's workers; an empty pool if it never had any."""
        return self.pools.get(name, PoolState())

    def to_json(self) -> dict[str, Any]:
        """Return the value to write as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self | None:
        """Read a written state; ``None`` for a value that this version did not write."""
        try:
            return cls(
                **{
                    **value,
                    "supervisor": Process(**value["supervisor"]),
                    "emulator": ProcessState(**value["emulator"]),
                    "pools": {
                        name: PoolState(**{**pool, "members": tuple(ProcessState(**one) for one in pool["members"])})
                        for name, pool in value["pools"].items()
                    },
                }
            )
        except (AttributeError, KeyError, TypeError):
            return None
