"""Result: what became of one task."""

from dataclasses import dataclass
from enum import StrEnum

from cloudkon.model.task import TaskId

OUTPUT_LIMIT = 4096
"""Bytes of UTF-8 an output or error may have in the ledger; what is longer goes to the store."""
CHUNK_OUTPUT_LIMIT = 65536
"""Bytes that the outputs of one chunk may have together in its item (DynamoDB's item limit is 400 KB)."""


class TaskState(StrEnum):
    """How a task ended. A task without a result is waiting or running."""

    SUCCEEDED = "SUCCEEDED"
    """Its handler returned."""
    FAILED = "FAILED"
    """Its handler raised, timed out or lost its worker as often as ``max_attempts`` allows."""
    CANCELLED = "CANCELLED"
    """Its run was cancelled before it ended."""


@dataclass(frozen=True, slots=True)
class Result:
    """State, output or error, and timings of one task.

    ``started`` is in epoch seconds by the worker's clock (0.0 where it never started), ``seconds`` how long the
    last attempt ran, ``attempts`` how many attempts it took, ``worker`` who says so. ``output`` is empty unless
    it succeeded, ``error`` unless it did not.
    """

    task: TaskId
    state: TaskState
    output: str = ""
    error: str = ""
    attempts: int = 1
    started: float = 0.0
    seconds: float = 0.0
    worker: str = ""

    @property
    def finished(self) -> float:
        """When it ended, in epoch seconds."""
        return self.started + self.seconds
