"""Defines a task: one instruction with its id."""

from typing import NamedTuple


class TaskId(NamedTuple):
    """The id of a task: the run's id, and the task's number in the run, from 0."""

    run: str
    seq: int

    def __str__(self) -> str:
        """Format it as people write it: ``RUN/SEQ``."""
        return f"{self.run}/{self.seq}"


class Task(NamedTuple):
    """One instruction, as the user wrote it, with its id."""

    id: TaskId
    instruction: str
