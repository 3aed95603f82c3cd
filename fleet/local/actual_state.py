"""Observed: what the supervisor last wrote about itself and the processes that it keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from .process import Process


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One kept process.

    ``pid`` is 0 between two lives, ``started`` in epoch seconds, ``problem`` empty if well, ``last_end`` says how
    its last life ended that was not meant to.
    """

    name: str
    pid: int = 0
    born: str = ""
    started: float = 0.0
    restarts: int = 0
    stopping: bool = False
    problem: str = ""
    last_end: str = ""

    @property
    def process(self) -> Process | None:
        """Its process, which may have ended since."""
        return Process(self.pid, self.born) if self.pid else None


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool's workers; ``desired`` is the count that the supervisor works towards, ``restarts`` since it started."""

    desired: int = 0
    restarts: int = 0
    members: tuple[ProcessState, ...] = ()


@dataclass(frozen=True, slots=True)
class ActualState:
    """The fleet as its supervisor sees it.

    ``started`` is in epoch seconds, ``answered`` the newest request it has dealt with, ``ready`` whether the
    emulator answers and the stack is complete, ``problem`` what keeps it from that. ``settings`` are those it was
    started with, as environment variables.
    """

    fleet: str
    supervisor: Process
    started: float
    endpoint_url: str
    answered: int = 0
    ready: bool = False
    problem: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    emulator: ProcessState = field(default_factory=lambda: ProcessState("emulator"))
    pools: Mapping[str, PoolState] = field(default_factory=dict)

    @property
    def workers(self) -> list[ProcessState]:
        """All pools' workers."""
        return [member for pool in self.pools.values() for member in pool.members]

    def pool(self, name: str) -> PoolState:
        """One pool's workers; none where it never had any."""
        return self.pools.get(name, PoolState())

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self | None:
        """Read it back; ``None`` for what this version did not write."""
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
