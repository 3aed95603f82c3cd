"""Outline: what counting needs of a chunk's record, so that a hundred thousand are counted in seconds."""

from dataclasses import dataclass
from typing import Self

from cloudkon.model.chunk_record import ChunkRecord, ChunkState
from cloudkon.model.result import TaskState


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """One chunk's record without its results.

    ``number`` is the chunk's, ``lease_end`` in epoch milliseconds, ``tasks`` how many it has; then how many of them
    ended how. ``first_start`` and ``last_end`` are epoch seconds by the worker's clock (0.0 where none started),
    ``busy_seconds`` is what the attempts that counted took together.
    """

    number: int
    state: ChunkState
    lease_end: int
    tasks: int
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    first_start: float = 0.0
    last_end: float = 0.0
    busy_seconds: float = 0.0

    @classmethod
    def of(cls, record: ChunkRecord) -> Self:
        """The outline of a record that was read whole."""
        progress = record.progress
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
        )

    @property
    def ended(self) -> int:
        """Tasks that have a result."""
        return self.succeeded + self.failed + self.cancelled
