"""Defines a result: the outcome of one task."""

from dataclasses import dataclass
from enum import StrEnum

from cloudkon.model.task import TaskId

OUTPUT_LIMIT = 4096
"""Bytes of UTF-8 that one output or error may have in the ledger. A longer one goes to the store."""
CHUNK_OUTPUT_LIMIT = 65536
"""Bytes of UTF-8 that all outputs of one chunk may have in its item (DynamoDB's limit is 400 KB an item)."""


class TaskState(StrEnum):
    """How a task ended. A task without a result waits or runs."""

    SUCCEEDED = "SUCCEEDED"
    """Its handler returned."""
    FAILED = "FAILED"
    """Its attempts failed, timed out or lost their worker ``max_attempts`` times, or it failed permanently."""
    CANCELLED = "CANCELLED"
    """Its run was cancelled before it ended."""


@dataclass(frozen=True, slots=True)
class Result:
    """State, output or error, and timings of one task."""

    task: TaskId
    state: TaskState
    output: str = ""
    """What the handler returned, or the ``s3://`` address of a long output; empty unless the task succeeded."""
    error: str = ""
    """Why the task did not succeed; empty if it did."""
    attempts: int = 1
    """How many attempts were made."""
    started: float = 0.0
    """When the last attempt started, in epoch seconds by the worker's clock; 0.0 if none started."""
    seconds: float = 0.0
    """How long the last attempt ran."""
    worker: str = ""
    """The name of the worker that recorded the result."""

    @property
    def finished(self) -> float:
        """When the last attempt ended, in epoch seconds."""
        return self.started + self.seconds
