"""Builds the tables at the demo's end, in the form of the CloudKon report."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import imageio_ffmpeg
from rich.table import Table

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of one run. ``seconds`` last from the first task's start to the last task's end.

    ``efficiency`` is the time of the work itself, divided by the time that the workers had for it, 0 to 1.
    """

    instruction: str
    workers: int
    tasks: int
    seconds: float
    efficiency: float

    @classmethod
    def of(cls, instruction: str, workers: int, counts: dict[str, float], task_seconds: float | None = None) -> Self:
        """Read the output of ``check --json``; without ``task_seconds``, a task's work is its handler's time."""
        tasks, seconds = int(counts["tasks"]), max(counts["seconds"], 0.001)
        work = counts["busy_seconds"] if task_seconds is None else tasks * task_seconds
        return cls(instruction, workers, tasks, seconds, work / (seconds * workers))

    def cells(self) -> Iterator[str]:
        """Yield the cells of a table row."""
        yield self.instruction
        yield str(self.workers)
        yield f"{self.tasks:,}"
        yield f"{self.seconds:,.1f}"
        rate = self.tasks / self.seconds
        yield f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"  # noqa: PLR2004  (lower rates need decimals)
        yield f"{self.efficiency:.0%}"


def outcome_table(outcomes: Iterable[Outcome]) -> Table:
    """Return a table with a row for each run."""
    table = Table(title="Results of the fleet", title_justify="left")
    table.add_column("instruction")
    for head in ("workers", "tasks", "seconds", "tasks/s", "efficiency"):
        table.add_column(head, justify="right")
    for outcome in outcomes:
        table.add_row(*outcome.cells())
    return table


def video_table(videos: Iterable[Path]) -> Table:
    """Return a table with a row for each video, from the video's own header."""
    table = Table(title="Videos on your disk", title_justify="left")
    table.add_column("video")
    for head in ("size", "seconds", "frames/s", "picture"):
        table.add_column(head, justify="right")
    for path in videos:
        facts = _facts(path)
        width, height = facts["size"]
        size = f"{path.stat().st_size / MEGABYTE:.1f} MB"
        table.add_row(str(path), size, f"{facts['duration']:.1f}", f"{facts['fps']:g}", f"{width}x{height}")
    return table


def _facts(path: Path) -> dict[str, Any]:
    """Return a video's size in pixels, duration in seconds and frames a second, as ffmpeg reads them."""
    reader = imageio_ffmpeg.read_frames(path)
    try:
        facts: dict[str, Any] = next(reader)
        return facts
    finally:
        reader.close()
