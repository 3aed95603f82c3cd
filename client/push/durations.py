"""Collects how long a workload's tasks take, declared or observed, and derives the size of a chunk from it."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.instructions import parse
from cloudkon.instructions.sleep import sleep_seconds

CHUNK_SECONDS = 0.25
"""Seconds of work that a chunk aims at. From 0.1 to 0.5 the ledger costs little and work spreads well."""
LARGEST_CHUNK = 250
"""The most tasks of a chunk. Below a millisecond per task the worker's own time dominates, not the tasks'."""
LONGEST_SECONDS = 31_536_000
"""A year, which no task takes; far more could not even be added up."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_PRAGMA = re.compile(r"#\s*duration\b[:=]?\s*(.*)")


def parse_duration(text: str) -> float:
    """Convert ``20ms``, ``1.5s``, ``2min`` or ``1h`` to seconds, or raise ``InvalidInput``."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise InvalidInput(f"duration {text.strip()!r:.40}", "not a duration", "Write it as: 20ms, 1.5s, 2min or 1h")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > LONGEST_SECONDS:
        raise InvalidInput(f"duration {text.strip()!r:.40}", "longer than a year", "Give the duration of one task")
    return seconds


@dataclass(slots=True)
class Durations:
    """How long the tasks of a workload take, as far as it is known.

    ``declared`` is the duration in seconds of the next lines' tasks, unless their word implies it: from ``--duration``,
    or from a comment ``# duration 20ms`` above them. ``seconds`` is the total of the ``count`` tasks of known duration;
    ``unknown`` counts the other tasks by word.
    """

    declared: float | None = None
    seconds: float = 0.0
    count: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def comment(self, text: str) -> None:
        """Read a comment. Raises ``InvalidInstruction`` if it declares an invalid duration."""
        if match := _PRAGMA.fullmatch(text):
            try:
                self.declared = parse_duration(match[1])
            except InvalidInput as error:
                raise InvalidInstruction(error.subject, error.reason, error.remedy) from None

    def instruction(self, text: str) -> None:
        """Count a checked instruction."""
        word, arguments = parse(text)
        if word == "sleep":
            self._add(sleep_seconds(arguments))
        elif self.declared is not None:
            self._add(self.declared)
        else:
            self.unknown[word] += 1

    def observe(self, observed: Mapping[str, float]) -> None:
        """Use an earlier run's durations, in seconds by word, for the tasks of unknown duration."""
        for word in [word for word in self.unknown if word in observed]:
            self._add(observed[word], self.unknown.pop(word))

    @property
    def work(self) -> float | None:
        """Seconds that all tasks take together, or ``None`` if some are unknown."""
        return None if self.unknown else self.seconds

    def chunk_size(self) -> int:
        """Return the number of tasks that a chunk should hold; 1 if the duration of some is unknown."""
        if self.unknown or not self.count:
            return 1
        mean = self.seconds / self.count
        return max(1, min(LARGEST_CHUNK, round(CHUNK_SECONDS / max(mean, CHUNK_SECONDS / LARGEST_CHUNK))))

    def _add(self, seconds: float, count: int = 1) -> None:
        self.seconds += seconds * count
        self.count += count
