"""Structured logs: one JSON object a line on standard error, so that CloudWatch, jq and people can read them.

Every line has ``time`` (epoch seconds), ``level`` and ``action``; what else is known stands beside it
(``worker``, ``run``, ``task``, ``attempt``, …).
"""

import json
import os
import time
from dataclasses import dataclass, field
from typing import Any, Self

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@dataclass(frozen=True, slots=True)
class Log:
    """Writes lines that share some facts. A line goes out in one write, so that processes can share a stream."""

    level: str = "info"
    facts: dict[str, Any] = field(default_factory=dict)
    descriptor: int = 2

    def bind(self, **facts: Any) -> Self:  # noqa: ANN401  (whatever JSON can say)
        """Make a log whose lines carry these facts as well."""
        return type(self)(self.level, {**self.facts, **facts}, self.descriptor)

    def is_enabled(self, level: str) -> bool:
        """Whether lines of that level are written; asking is cheaper than making one."""
        return LEVELS[level] >= LEVELS[self.level]

    def debug(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """What only a developer wants."""
        self._write("debug", action, facts)

    def info(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """What an operator may want to follow."""
        self._write("info", action, facts)

    def warning(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """What went wrong and was handled."""
        self._write("warning", action, facts)

    def error(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """What went wrong and needs somebody."""
        self._write("error", action, facts)

    def _write(self, level: str, action: str, facts: dict[str, Any]) -> None:
        if not self.is_enabled(level):
            return
        line = {"time": round(time.time(), 3), "level": level, "action": action, **self.facts, **facts}
        data = (json.dumps(line, ensure_ascii=False, default=str) + "\n").encode(errors="replace")
        try:
            os.write(self.descriptor, data)
        except OSError:
            # A log that nobody takes (full disk, closed pipe) must not stop work, and there is nowhere to say so.
            return
