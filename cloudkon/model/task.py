"""Task: one instruction with its id."""

from typing import NamedTuple


class TaskId(NamedTuple):
    """``RUN/SEQ``: the run, and the task's number in it, from 0."""

    run: str
    seq: int

    def __str__(self) -> str:
        """Write it as people do: ``RUN/SEQ``."""
        return f"{self.run}/{self.seq}"


class Task(NamedTuple):
    """One instruction, as its user wrote it, with its id."""

    id: TaskId
    instruction: str
