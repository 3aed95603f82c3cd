"""Summarizes a run: tasks, throughput and efficiency, as in the table of the CloudKon report."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Self

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions import parse
from cloudkon.instructions.sleep import sleep_seconds
from cloudkon.model import Result, TaskState


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run: ``seconds`` from its start to its end, and ``efficiency`` of its slots, 0 to 1.

    Efficiency is the time that the work itself needs (for ``sleep`` the given time, else the handler's time), divided
    by the time for which the slots were available.
    """

    tasks: int
    succeeded: int
    failed: int
    seconds: float
    tasks_per_second: float
    efficiency: float

    @classmethod
    def of(cls, results: Iterable[tuple[str, Result]], seconds: float, slots: int) -> Self:
        """Summarize results, each given with its instruction."""
        tasks = succeeded = 0
        work = 0.0
        for instruction, result in results:
            tasks += 1
            succeeded += result.state is TaskState.SUCCEEDED
            work += _work(instruction, result)
        seconds = max(seconds, 1e-9)
        return cls(tasks, succeeded, tasks - succeeded, seconds, tasks / seconds, work / (seconds * slots))

    def as_dict(self) -> dict[str, float]:
        """Return the figures for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """Return a table with one row."""
        heads = ("tasks", "succeeded", "failed", "seconds", "tasks/s", "efficiency")
        cells = (
            f"{self.tasks:,}",
            f"{self.succeeded:,}",
            f"{self.failed:,}",
            f"{self.seconds:.2f}",
            f"{self.tasks_per_second:,.1f}",
            f"{self.efficiency:.1%}",
        )
        widths = [max(len(head), len(cell)) for head, cell in zip(heads, cells, strict=True)]
        return "\n".join(
            "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in (heads, cells)
        )


def _work(instruction: str, result: Result) -> float:
    word, arguments = parse(instruction)
    if word == "sleep" and result.state is TaskState.SUCCEEDED:
        try:
            return sleep_seconds(arguments)
        except InvalidInstruction:
            return 0.0
    return result.seconds
