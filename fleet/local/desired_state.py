"""Wanted: what the command line asks of the supervisor."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class DesiredState:
    """How many workers each pool should have, and how often ``up`` was asked for.

    Each ``up`` raises ``request``; the supervisor then looks the emulator and the stack over, mends them, and
    says so by the same number.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    request: int = 0

    def __bool__(self) -> bool:
        """Whether anything was ever asked for."""
        return self.request > 0 or bool(self.counts)

    def with_count(self, pool: str, count: int) -> Self:
        """With another count for one pool."""
        return replace(self, counts={**self.counts, pool: count})

    def with_request(self) -> Self:
        """With one more request."""
        return replace(self, request=self.request + 1)

    def without_workers(self) -> Self:
        """With no worker in any pool. Requests go on counting, so that an old answer is never taken for a new one."""
        return replace(self, counts={})

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return {"counts": dict(self.counts), "request": self.request}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read it back; what can't be understood counts as not said."""
        counts, request = value.get("counts"), value.get("request")
        return cls(
            {name: count for name, count in counts.items() if isinstance(count, int) and count >= 0}
            if isinstance(counts, dict)
            else {},
            request if isinstance(request, int) else 0,
        )
