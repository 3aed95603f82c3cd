"""Prints progress bars to standard error, and a run's counts to standard output."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cloudkon.errors import EXIT_FAILED, EXIT_OK
from cloudkon.programs import command
from cloudkon.terminal import console, print_json, say

from ...follow.run_counts import RunCounts
from ...records.run_records import ItemFaults
from .formatting import counted


class RateColumn(ProgressColumn):
    """The rate per second over the last half minute."""

    def render(self, task: Task) -> Text:
        """Return the rate, or an empty text as long as it is unknown."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


class Bar:
    """One progress bar; it shows nothing if standard error is not a terminal."""

    def __init__(self, progress: Progress, description: str, total: int | None) -> None:
        """Add the bar."""
        self._progress = progress
        self._task = progress.add_task(description, total=total)

    def begin(self, completed: int, total: int) -> None:
        """Set the total, and how many were completed before; these don't count in the rate."""
        self._progress.reset(self._task, total=total, completed=completed)

    def advance(self, number: int = 1) -> None:
        """Add to the completed ones."""
        self._progress.advance(self._task, number)

    def complete(self, completed: int) -> None:
        """Set how many are completed."""
        self._progress.update(self._task, completed=completed)

    def show(self, completed: int, description: str) -> None:
        """Set how many are completed, and the bar's description."""
        self._progress.update(self._task, completed=completed, description=description)


@contextmanager
def progress_bar(description: str, total: int | None = None) -> Iterator[Bar]:
    """Show a bar on standard error that disappears at the end; without ``total`` it only counts."""
    screen = console(stderr=True)
    left = TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), left)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        yield Bar(progress, description, total)


def counts_json(counts: RunCounts) -> dict[str, object]:
    """Return the object that ``check --json`` prints; times are in seconds."""
    rate = counts.tasks_per_second
    return {
        "run": counts.run.id,
        "tasks": counts.run.count,
        "waiting": counts.waiting,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "unknown": counts.unknown,
        "complete": counts.complete,
        "seconds": round(counts.seconds, 3),
        "busy_seconds": round(counts.busy_seconds, 3),
        "tasks_per_second": None if rate is None else round(rate, 1),
    }


def show_counts(counts: RunCounts) -> None:
    """Print a run's counts as a table."""
    rate = counts.tasks_per_second
    columns = {"tasks": f"{counts.run.count:,}"}
    if not counts.complete:
        columns |= {"waiting": f"{counts.waiting:,}", "running": f"{counts.running:,}"}
    if counts.unknown:
        columns["unknown"] = f"{counts.unknown:,}"
    columns |= {
        "succeeded": f"{counts.succeeded:,}",
        "failed": f"{counts.failed:,}",
        "cancelled": f"{counts.cancelled:,}",
        "seconds": f"{counts.seconds:,.2f}",
        "tasks/s": "-" if rate is None else f"{rate:,.1f}",
    }
    screen = console()
    screen.print(_fitting_table(screen, f"run {counts.run.id}", columns))


def report_counts(counts: RunCounts, *, as_json: bool) -> int:
    """Print a run's counts and how to see failures; return the exit code, 0 if every task succeeded."""
    if as_json:
        print_json(counts_json(counts))
    else:
        show_counts(counts)
    report_faults(counts.faults)
    if counts.failed:
        say(f"See what failed with: {command(f'client failures {counts.run.id}')}")
    return EXIT_OK if counts.all_succeeded else EXIT_FAILED


def report_faults(faults: ItemFaults) -> None:
    """Name the items of the ledger that are not counted."""
    for line in faults.lines():
        say(f"warning: {line}")
    if faults.unknown:
        say(f"the state of {counted(faults.unknown, 'task')} is unknown")


def _fitting_table(screen: Console, title: str, columns: dict[str, str]) -> Table:
    """Lay the values out in a row, or in a column if the terminal is too narrow for a row."""
    row = Table(title=title)
    for name in columns:
        row.add_column(name, justify="right", no_wrap=True)
    row.add_row(*columns.values())
    if screen.measure(row, options=screen.options.update(width=1000)).maximum <= screen.width:
        return row
    column = Table(title=title, show_header=False)
    column.add_column()
    column.add_column(justify="right")
    for name, text in columns.items():
        column.add_row(name, text)
    return column
