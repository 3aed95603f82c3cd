"""Describes containers: one as the engine reports it, and the plan of one to create."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from cloudkon.model import Pool
from cloudkon.settings import PREFIX, Settings

from .labels import COMPOSE_ONE_OFF, COMPOSE_SERVICE, NUMBER


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """The configuration of a container to create.

    ``sealed`` containers have only the rights that a worker needs. ``published`` is a port that this machine's loopback
    reaches under the same number, or 0. ``alias`` is a second name in the network.
    """

    name: str
    image: str
    network: str
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    stop_seconds: int
    sealed: bool = True
    alias: str = ""
    published: int = 0


@dataclass(frozen=True, slots=True)
class Container:
    """One container now.

    Times are in epoch seconds, 0.0 for never. ``state`` is the engine's word (created, running, restarting, exited,
    paused, dead, removing), ``health`` its health check's (empty without one). ``networks`` maps a network's name to
    the container's names in it, with its address last. ``published`` maps this machine's ports to the container's.
    """

    id: str
    name: str
    state: str
    image: str = ""
    pid: int = 0
    exit_code: int = 0
    created: float = 0.0
    started: float = 0.0
    restarts: int = 0
    health: str = ""
    out_of_memory: bool = False
    fault: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    published: Mapping[int, int] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether it runs. A container that waits for its next start does not."""
        return self.state == "running"

    @property
    def paused(self) -> str:
        """The message about a paused container; empty if it is not paused."""
        return f"{self.name} is paused; resume it with: docker unpause {self.name}" if self.state == "paused" else ""

    @property
    def number(self) -> int:
        """A worker's number in its pool; 0 for a container that is not a worker of this target."""
        text = self.labels.get(NUMBER, "")
        return int(text) if text.isdigit() else 0

    @property
    def end(self) -> str:
        """How its last run ended, for a person. After a restart, the engine no longer knows the exit code."""
        if self.running:
            return "and has been started again"
        if self.out_of_memory:
            return f"it ran out of memory (exit code {self.exit_code})"
        return self.fault or f"exit code {self.exit_code}"

    def is_composed(self, fleet: str, pool: Pool) -> bool:
        """Whether it is a worker of this pool from a compose file. Such workers are shown and never changed."""
        return (
            self.labels.get(COMPOSE_SERVICE) == pool.name
            and self.labels.get(COMPOSE_ONE_OFF, "False") == "False"
            and self.environment.get(f"{PREFIX}TARGET") == "docker"
            and (self.environment.get(f"{PREFIX}FLEET") or Settings().fleet) == fleet
        )

    @classmethod
    def described(cls, answer: Mapping[str, Any]) -> Self:
        """Return the container that the engine's answer to ``inspect`` describes."""
        state, config = answer["State"], answer["Config"]
        return cls(
            id=answer["Id"],
            name=answer["Name"].lstrip("/"),
            state=state["Status"],
            image=answer["Image"],
            pid=state["Pid"],
            exit_code=state["ExitCode"],
            created=_epoch(answer["Created"]),
            started=_epoch(state["StartedAt"]),
            restarts=answer["RestartCount"],
            health=(state.get("Health") or {}).get("Status", ""),
            out_of_memory=state["OOMKilled"],
            fault=state["Error"],
            labels=config["Labels"] or {},
            environment=dict(entry.partition("=")[::2] for entry in config["Env"] or ()),
            networks=_networks(answer),
            published=_published(answer),
        )


def _networks(answer: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, joined in (answer["NetworkSettings"]["Networks"] or {}).items():
        # Older engines also list the container's short id as an alias: leave it out.
        aliases = [alias for alias in joined.get("Aliases") or () if not answer["Id"].startswith(alias)]
        found[name] = (*aliases, *filter(None, [joined.get("IPAddress")]))
    return found


def _published(answer: Mapping[str, Any]) -> dict[int, int]:
    ports = answer["NetworkSettings"].get("Ports") or {}
    return {
        int(binding["HostPort"]): int(inner.partition("/")[0])
        for inner, bindings in ports.items()
        for binding in bindings or ()
    }


def _epoch(text: str) -> float:
    """Return epoch seconds for the engine's time; its year 1 means never."""
    return max(0.0, datetime.fromisoformat(text).timestamp())
