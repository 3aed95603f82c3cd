"""Report: the tables at the demo's end, as the CloudKon report has them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import imageio_ffmpeg
from rich.table import Table

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run. ``seconds`` are from the first task's start to the last one's end.

    ``efficiency`` is the time that the work itself takes over the time that the workers were there for it, 0 to 1.
    """

    what: str
    workers: int
    tasks: int
    seconds: float
    efficiency: float

    @classmethod
    def of(cls, what: str, workers: int, tally: dict[str, float], task_seconds: float | None = None) -> Self:
        """From ``check --json``; without ``task_seconds`` a task's work is what its handler took."""
        tasks, seconds = int(tally["tasks"]), max(tally["seconds"], 0.001)
        work = tally["busy_seconds"] if task_seconds is None else tasks * task_seconds
        return cls(what, workers, tasks, seconds, work / (seconds * workers))

    def cells(self) -> Iterator[str]:
        """A row of the table."""
        yield self.what
        yield str(self.workers)
        yield f"{self.tasks:,}"
        yield f"{self.seconds:,.1f}"
        rate = self.tasks / self.seconds
        yield f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"  # noqa: PLR2004  (where decimals begin to tell something)
        yield f"{self.efficiency:.0%}"


def outcome_table(outcomes: Iterable[Outcome]) -> Table:
    """One row a run."""
    table = Table(title="What the fleet did", title_justify="left")
    table.add_column("instruction")
    for head in ("workers", "tasks", "seconds", "tasks/s", "efficiency"):
        table.add_column(head, justify="right")
    for outcome in outcomes:
        table.add_row(*outcome.cells())
    return table


def video_table(videos: Iterable[Path]) -> Table:
    """One row a video, with what its own header says."""
    table = Table(title="What lies on your disk", title_justify="left")
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
    """Its size in pixels, duration in seconds and frames a second, as ffmpeg reads them."""
    reader = imageio_ffmpeg.read_frames(path)
    try:
        facts: dict[str, Any] = next(reader)
        return facts
    finally:
        reader.close()
