"""Failures: errors of failed tasks, those that say the same thing counted together."""

import re
from dataclasses import dataclass, field

from cloudkon.model import Result, TaskState

MOST_KINDS = 1000
"""Kinds of errors that are told apart; what comes after that many counts as one of its own."""
OTHER = "other errors"
WORKER_LOST = re.compile(r"worker lost \d+ times")
"""How the error of a task begins that its workers died of."""
_LONGEST = 300
"""Characters of an error that tell its kind."""
_VARYING = (
    (re.compile(r"\b(?:s3|https?)://[^\s'\"]+"), "<link>"),
    (re.compile(r"(?<![\w.])/[^\s'\":,]+"), "<path>"),
    (re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f][0-9a-f-]{7,}\b"), "<id>"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
)
"""What differs between errors of one kind, in the order in which it is replaced."""


@dataclass(slots=True)
class FailureKind:
    """Failed tasks whose errors say the same; ``example`` is the first of them in the run."""

    pattern: str
    example: Result
    count: int = 0


@dataclass(slots=True)
class Failures:
    """The failed tasks of a run by kind of error."""

    count: int = 0
    _kinds: dict[str, FailureKind] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Count a result, if it failed."""
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
        """The kinds, the most frequent first."""
        return sorted(self._kinds.values(), key=lambda kind: (-kind.count, kind.example.task.seq))


def kind_of(error: str) -> str:
    """An error without what differs from task to task: numbers, ids, links and paths."""
    text = " ".join(error[: 2 * _LONGEST].split())
    for varying, stands_for in _VARYING:
        text = varying.sub(stands_for, text)
    return text[:_LONGEST] or "no reason was given"
