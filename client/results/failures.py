"""Groups the failed tasks of a run by kind of error."""

import re
from dataclasses import dataclass, field

from cloudkon.model import Result, TaskState

MOST_KINDS = 1000
"""Kinds of errors that are counted apart; all further ones count as ``OTHER``."""
OTHER = "other errors"
WORKER_LOST = re.compile(r"worker lost \d+ times")
"""Matches the start of the error of a task whose workers died while it ran."""
_LONGEST = 300
"""Characters of an error that determine its kind."""
_VARYING = (
    (re.compile(r"\b(?:s3|https?)://[^\s'\"]+"), "<link>"),
    (re.compile(r"(?<![\w.])/[^\s'\":,]+"), "<path>"),
    (re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f][0-9a-f-]{7,}\b"), "<id>"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
)
"""What may differ between errors of one kind, in the order of replacement."""


@dataclass(slots=True)
class FailureKind:
    """Failed tasks with the same kind of error; ``example`` is the first of them in the run."""

    pattern: str
    example: Result
    count: int = 0


@dataclass(slots=True)
class Failures:
    """Counts the failed tasks of a run by kind of error."""

    count: int = 0
    _kinds: dict[str, FailureKind] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Count a result if its task failed."""
        if result.state is not TaskState.FAILED:
            return
        self.count += 1
        pattern = kind_of(result.error)
        if pattern not in self._kinds and len(self._kinds) >= MOST_KINDS:
            pattern = OTHER
        kind = self._kinds.setdefault(pattern, FailureKind(pattern, result))
        kind.count += 1
        if result.task.seq < kind.example.task.seq:
            kind.example = result

    def kinds(self) -> list[FailureKind]:
        """Return the kinds, the most frequent first."""
        return sorted(self._kinds.values(), key=lambda kind: (-kind.count, kind.example.task.seq))


def kind_of(error: str) -> str:
    """Return an error with its numbers, ids, links and paths replaced: they differ from task to task."""
    text = " ".join(error[: 2 * _LONGEST].split())
    for varying, stands_for in _VARYING:
        text = varying.sub(stands_for, text)
    return text[:_LONGEST] or "no reason was given"
