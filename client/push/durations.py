"""Durations: how long a workload's tasks take, by what is declared or was observed, and so how many make a chunk."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.instructions import parse
from cloudkon.instructions.sleep import sleep_seconds

CHUNK_SECONDS = 0.25
"""Seconds of work that a chunk aims at: from 0.1 to 0.5 the ledger costs little and work spreads well."""
LARGEST_CHUNK = 250
"""Tasks of a chunk at the most: below a millisecond each, the worker's own time counts, and not the tasks'."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_PRAGMA = re.compile(r"#\s*duration\b[:=]?\s*(.*)")


def parse_duration(text: str) -> float:
    """``20ms``, ``1.5s``, ``2min`` or ``1h`` in seconds, or raise ``InvalidInput``."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise InvalidInput(f"duration {text.strip()!r:.40}", "it is no time", "Write it as: 20ms, 1.5s, 2min or 1h")
    return float(found[1]) * _SECONDS[found[2]]


@dataclass(slots=True)
class Durations:
    """What is known of how long the tasks of a workload take.

    ``declared`` is what the lines from here on take where their words don't say it, in seconds: by ``--duration``, or
    by a comment ``# duration 20ms`` above them. ``unknown`` counts the tasks of each word of which nothing is known.
    """

    declared: float | None = None
    seconds: float = 0.0
    count: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def comment(self, text: str) -> None:
        """Take note of a comment. Raises ``InvalidInstruction`` for a duration that is none."""
        if found := _PRAGMA.fullmatch(text):
            try:
                self.declared = parse_duration(found[1])
            except InvalidInput as error:
                raise InvalidInstruction(error.subject, error.reason, error.remedy) from None

    def instruction(self, text: str) -> None:
        """Take note of an instruction that was checked."""
        word, arguments = parse(text)
        if word == "sleep":
            self._add(sleep_seconds(arguments))
        elif self.declared is not None:
            self._add(self.declared)
        else:
            self.unknown[word] += 1

    def observe(self, observed: Mapping[str, float]) -> None:
        """Take for known what an earlier run's tasks took, in seconds by word."""
        for word in [word for word in self.unknown if word in observed]:
            self._add(observed[word], self.unknown.pop(word))

    @property
    def work(self) -> float | None:
        """Seconds that all tasks take together, or ``None`` where some are unknown."""
        return None if self.unknown else self.seconds

    def chunk_size(self) -> int:
        """Tasks that a chunk should hold; 1 where some are unknown."""
        if self.unknown or not self.count:
            return 1
        mean = self.seconds / self.count
        return max(1, min(LARGEST_CHUNK, round(CHUNK_SECONDS / max(mean, CHUNK_SECONDS / LARGEST_CHUNK))))

    def _add(self, seconds: float, count: int = 1) -> None:
        self.seconds += seconds * count
        self.count += count
