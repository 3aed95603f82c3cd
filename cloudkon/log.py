"""Writes structured logs: one JSON object a line on standard error, for CloudWatch, jq and people.

Every line has ``time`` (epoch seconds), ``level`` and ``action``, and the facts that the caller added (``worker``,
``run``, ``task``, ``attempt``, …).
"""

import os
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, Self

from cloudkon.printable import json_text

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def text_of(error: Exception) -> str:
    """Return an unexpected error's type and text."""
    return "".join(traceback.format_exception_only(error)).strip()


@dataclass(frozen=True, slots=True)
class Log:
    """Writes log lines that share some facts.

    Each line is one system call, so that several processes can share a stream. A write that fails is ignored.
    """

    level: str = "info"
    facts: dict[str, Any] = field(default_factory=dict)
    descriptor: int = 2

    def bind(self, **facts: Any) -> Self:  # noqa: ANN401  (any JSON value)
        """Return a log whose lines also have these facts."""
        return type(self)(self.level, {**self.facts, **facts}, self.descriptor)

    def is_enabled(self, level: str) -> bool:
        """Whether lines of that level are written. Asking is cheaper than building a line in vain."""
        return LEVELS[level] >= LEVELS[self.level]

    def debug(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """Log a detail that only developers need."""
        self._write("debug", action, facts)

    def info(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """Log an event that operators may want to follow."""
        self._write("info", action, facts)

    def warning(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """Log a problem that the program handled."""
        self._write("warning", action, facts)

    def error(self, action: str, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """Log a problem that needs a person."""
        self._write("error", action, facts)

    def unexpected(self, action: str, error: Exception, **facts: Any) -> None:  # noqa: ANN401  (any fact)
        """Log an unexpected error with the end of its traceback."""
        lines = "".join(traceback.format_exception(error))
        self._write("error", action, {**facts, "error": text_of(error)[:1000], "traceback": lines[-4000:]})

    def _write(self, level: str, action: str, facts: dict[str, Any]) -> None:
        if not self.is_enabled(level):
            return
        line = {"time": round(time.time(), 3), "level": level, "action": action, **self.facts, **facts}
        data = (json_text(line, ascii_only=False, default=str) + "\n").encode()
        try:
            os.write(self.descriptor, data)
        except OSError:
            # A log that can't be written (full disk, closed pipe) must not stop work, and can't be reported anywhere.
            return
