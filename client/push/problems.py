"""Problems: what is wrong with a workload, by line; the first ones are shown and the others counted."""

from dataclasses import dataclass, field

from cloudkon.errors import InvalidInput

MOST_PROBLEMS = 20
"""Problems that are shown."""


@dataclass(slots=True)
class Problems:
    """The problems of one workload."""

    count: int = 0
    _shown: list[str] = field(default_factory=list)

    def add(self, line: int, error: InvalidInput) -> None:
        """Something is wrong with that line."""
        self.count += 1
        if len(self._shown) < MOST_PROBLEMS:
            self._shown.append(f"line {line}: {error}")

    def text(self, lines: int) -> str:
        """All of it, for people; ``lines`` is how many instructions were read."""
        shown = list(self._shown)
        if more := self.count - len(shown):
            shown.append(f"and {more:,} more")
        what = "problem" if self.count == 1 else "problems"
        return "\n  ".join([f"{self.count:,} {what} in {lines:,} lines; nothing was sent", *shown])
