"""Defines a chunk's summary: what counting needs of its record, so that 100,000 chunks are counted in seconds."""

from dataclasses import dataclass
from typing import Self

from cloudkon.model.chunk_record import RELEASED_LEASE_END, ChunkRecord, ChunkState
from cloudkon.model.result import TaskState


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """One chunk's record, with counts instead of results."""

    number: int
    """The chunk's number in its run, from 0."""
    state: ChunkState
    lease_end: int
    """In epoch milliseconds."""
    tasks: int
    """How many tasks the chunk has."""
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    first_start: float = 0.0
    """When its first task started, in epoch seconds by the worker's clock; 0.0 if no task started."""
    last_end: float = 0.0
    """When its last task ended, in epoch seconds by the worker's clock; 0.0 if no task started."""
    busy_seconds: float = 0.0
    """The seconds of all recorded attempts together."""
    lowest: int = 0
    """The lowest number of a task that its progress names; 0 if it names none."""
    highest: int = -1
    """The highest number of a task that its progress names; -1 if it names none."""
    fault: str = ""
    """Why the item can't be read, so that all other fields but ``number`` mean nothing; empty if it can."""

    @classmethod
    def unreadable(cls, number: int, fault: str) -> Self:
        """Return what stands for an item that can't be read; ``fault`` says why."""
        return cls(number, ChunkState.CLAIMED, RELEASED_LEASE_END, 0, fault=fault)

    @classmethod
    def of(cls, record: ChunkRecord) -> Self:
        """Summarise a whole record."""
        progress = record.progress
        named = progress.named()
        fault = record.fault or ("" if record.readable else "another version wrote it")
        if len({result.task.seq for result in progress.results}) < len(progress.results):
            fault = fault or "it has two results of one task"
        started = [result for result in progress.results if result.started]
        return cls(
            record.key.number,
            record.state,
            record.lease_end,
            record.tasks,
            progress.count(TaskState.SUCCEEDED),
            progress.count(TaskState.FAILED),
            progress.count(TaskState.CANCELLED),
            min((result.started for result in started), default=0.0),
            max((result.finished for result in started), default=0.0),
            sum(result.seconds for result in progress.results),
            min(named, default=0),
            max(named, default=-1),
            fault,
        )

    @property
    def ended(self) -> int:
        """The number of tasks that have a result."""
        return self.succeeded + self.failed + self.cancelled
