"""Display: what people see. Progress and texts go to standard error, results to standard output."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
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

from ..follow.run_counts import RunCounts


def say(text: str) -> None:
    """Tell the user something that is no result."""
    click.echo(text, err=True)


class RateColumn(ProgressColumn):
    """So many a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


class Bar:
    """One progress bar; where standard error is no terminal it shows nothing."""

    def __init__(self, progress: Progress, what: str, total: int | None) -> None:
        """Add the bar."""
        self._progress = progress
        self._task = progress.add_task(what, total=total)

    def begin(self, completed: int, total: int) -> None:
        """There are so many in all, and so many were done before; the rate counts none of these."""
        self._progress.reset(self._task, total=total, completed=completed)

    def advance(self, number: int = 1) -> None:
        """So many more are done."""
        self._progress.advance(self._task, number)

    def complete(self, completed: int) -> None:
        """So many are done."""
        self._progress.update(self._task, completed=completed)

    def show(self, completed: int, what: str) -> None:
        """So many are done, and this is what to say about the others."""
        self._progress.update(self._task, completed=completed, description=what)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Bar]:
    """A bar on standard error that goes away at the end; without ``total`` it counts only."""
    console = Console(stderr=True)
    left = TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), left)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress, what, total)


def tally_as_json(tally: RunCounts) -> dict[str, object]:
    """A tally as ``check --json`` writes it; times in seconds."""
    rate = tally.tasks_per_second
    return {
        "run": tally.run.id,
        "tasks": tally.run.count,
        "waiting": tally.waiting,
        "running": tally.running,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "cancelled": tally.cancelled,
        "complete": tally.complete,
        "seconds": round(tally.seconds, 3),
        "busy_seconds": round(tally.busy_seconds, 3),
        "tasks_per_second": None if rate is None else round(rate, 1),
    }


def show_tally(tally: RunCounts) -> None:
    """Print a tally as a table."""
    rate = tally.tasks_per_second
    columns = {"tasks": f"{tally.run.count:,}"}
    if not tally.complete:
        columns |= {"waiting": f"{tally.waiting:,}", "running": f"{tally.running:,}"}
    columns |= {
        "succeeded": f"{tally.succeeded:,}",
        "failed": f"{tally.failed:,}",
        "cancelled": f"{tally.cancelled:,}",
        "seconds": f"{tally.seconds:,.2f}",
        "tasks/s": "-" if rate is None else f"{rate:,.1f}",
    }
    console = Console(highlight=False)
    console.print(_fitting_table(console, f"run {tally.run.id}", columns))


def report_tally(tally: RunCounts, *, as_json: bool) -> int:
    """Print a tally, say where failures are told, and give the exit code: 0 if every task succeeded."""
    if as_json:
        click.echo(json.dumps(tally_as_json(tally)))
    else:
        show_tally(tally)
    if tally.failed:
        say(f"See what failed with: python -m client failures {tally.run.id}")
    return EXIT_OK if tally.all_succeeded else EXIT_FAILED


def _fitting_table(console: Console, title: str, columns: dict[str, str]) -> Table:
    """A row, or a column where the terminal is too narrow for a row."""
    row = Table(title=title)
    for name in columns:
        row.add_column(name, justify="right", no_wrap=True)
    row.add_row(*columns.values())
    if console.measure(row, options=console.options.update(width=1000)).maximum <= console.width:
        return row
    column = Table(title=title, show_header=False)
    column.add_column()
    column.add_column(justify="right")
    for name, text in columns.items():
        column.add_row(name, text)
    return column
