"""Defines the desired state: what the command line asks of the supervisor."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class DesiredState:
    """How many workers each pool should have, and how many times ``up`` was run.

    Each ``up`` raises ``request``. The supervisor then checks and repairs the emulator and the stack, and reports the
    number as handled.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    request: int = 0

    def __bool__(self) -> bool:
        """Whether any command ever asked for anything."""
        return self.request > 0 or bool(self.counts)

    def with_count(self, pool: str, count: int) -> Self:
        """Return a copy with another count for one pool."""
        return replace(self, counts={**self.counts, pool: count})

    def with_request(self) -> Self:
        """Return a copy with one more request."""
        return replace(self, request=self.request + 1)

    def without_workers(self) -> Self:
        """Return a copy without workers. ``request`` stays, so that an old answer never counts as a new one."""
        return replace(self, counts={})

    def to_json(self) -> dict[str, Any]:
        """Return the value to write as JSON."""
        return {"counts": dict(self.counts), "request": self.request}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a written state; invalid entries are ignored."""
        counts, request = value.get("counts"), value.get("request")
        return cls(
            {name: count for name, count in counts.items() if isinstance(count, int) and count >= 0}
            if isinstance(counts, dict)
            else {},
            request if isinstance(request, int) else 0,
        )
