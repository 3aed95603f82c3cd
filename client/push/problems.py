"""Collects the problems of a workload by line; the first ones are shown, the others only counted."""

from dataclasses import dataclass, field

from cloudkon.errors import InvalidInput
from cloudkon.printable import printable

MOST_PROBLEMS = 20
"""The most problems that are shown."""


@dataclass(slots=True)
class Problems:
    """The problems of one workload."""

    count: int = 0
    _shown: list[str] = field(default_factory=list)

    def add(self, line: int, error: InvalidInput) -> None:
        """Add a problem of the line with that number."""
        self.count += 1
        if len(self._shown) < MOST_PROBLEMS:
            self._shown.append(printable(f"line {line}: {error}"))

    def text(self, lines: int) -> str:
        """Return a text of several lines for people; ``lines`` is the number of instructions that were read."""
        shown = list(self._shown)
        if more := self.count - len(shown):
            shown.append(f"and {more:,} more")
        noun = "problem" if self.count == 1 else "problems"
        return "\n  ".join([f"{self.count:,} {noun} in {lines:,} lines; nothing was sent", *shown])
