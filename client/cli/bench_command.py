"""Implements ``bench``: measures the fleet by the experiments of the CloudKon reports."""

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from rich.table import Table

from cloudkon.errors import InvalidInput
from cloudkon.prices import prices
from cloudkon.programs import command
from cloudkon.terminal import console, print_json, print_line, say, wait_for_enter
from cloudkon.wire.message import MOST_TASKS

from ..api.fleet import Fleet
from ..bench.bench_report import cell_text, write_report
from ..bench.experiments import Cell, Experiment, cells, chosen
from ..bench.findings import Finding, Findings
from ..bench.forecast import Forecast, forecast
from ..bench.measuring import Bench, BenchEvents, Terms
from ..bench.worker_scaling import FleetCommand, Person
from .session import Session, pass_session
from .view.display import progress_bar
from .view.formatting import lasting


class Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1, separated by commas."""

    name = "N,N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Parse the numbers; duplicates are dropped, the order is kept."""
        if isinstance(value, tuple):
            return value
        words = str(value).split(",")
        if not all(word.strip().isdecimal() and int(word) for word in words):
            self.fail(f"{value!r} is not a list of numbers from 1, such as 1,2,4", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))


@click.command()
@click.option(
    "--only", "names", multiple=True, metavar="NAME", help="Measure this experiment; may be given several times."
)
@click.option(
    "--workers", type=Counts(), default="1,2", show_default=True, help="Numbers of workers, measured one after another."
)
@click.option(
    "--slots",
    type=Counts(),
    default="1,2,4,8,16",
    show_default=True,
    help="Numbers of slots of experiments in one process.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the tasks to run.",
)
@click.option("--chunk", type=click.IntRange(1, MOST_TASKS), default=1, show_default=True, help="Tasks a message.")
@click.option(
    "--pictures", "sources", multiple=True, metavar="SOURCE", help="Pictures of slideshows, as for animoto --from."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench"),
    show_default=True,
    help="Folder for findings, report and plots.",
)
@click.option("--ask", is_flag=True, help=f"Ask me to set the number of workers, where {command('fleet scale')} can't.")
@click.option("--dry-run", is_flag=True, help="Print what would be measured, how long it takes and what it costs.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, or the plan of a dry run.")
@pass_session
def bench(  # noqa: PLR0913  (an argument for each option)
    session: Session,
    names: tuple[str, ...],
    workers: tuple[int, ...],
    slots: tuple[int, ...],
    share: float,
    chunk: int,
    sources: tuple[str, ...],
    output: Path,
    *,
    ask: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Measure the fleet by the experiments of the CloudKon reports; write tables and plots.

    throughput (sleep 0), 10ms, 1s and 10s run on the fleet; local-throughput, local-10ms, local-1s and local-10s run in
    one process; animoto renders slideshows of --pictures. python -m fleet scale sets the number of workers, which is
    restored afterwards. Findings are kept: after an interruption the same command continues.

    \b
    Examples:
      python -m client bench --dry-run
      python -m client bench --workers 1,2,4 --share 0.1
      python -m client bench --only throughput --only 10ms --chunk 10 -o bench-chunks
    """  # noqa: D301  (click's mark for text that keeps its lines)
    experiments = _possible(chosen(names), sources, named=bool(names))
    wanted = cells(experiments, workers, slots)
    terms = Terms(share, chunk, session.settings.slots)
    if dry_run:
        _show_plan(forecast(wanted, terms), as_json=as_json)
        return
    if ask and not sys.stdin.isatty():
        raise InvalidInput("--ask", "stdin is not a terminal", f"Leave it out to use {command('fleet scale')}")
    facts = {"target": session.settings.target, "fleet": session.settings.fleet, "share": share, "chunk": chunk}
    findings = Findings.opened(output, facts | {"slots": terms.slots})
    _measure(session, findings, terms, wanted, sources, ask=ask)
    say(f"plots and findings are in {output}")
    if as_json:
        print_json(findings.as_json())
    else:
        print_line(write_report(findings))


def _possible(experiments: Iterable[Experiment], sources: tuple[str, ...], *, named: bool) -> list[Experiment]:
    """Return the experiments that can be measured: slideshows need pictures."""
    possible = [one for one in experiments if sources or one.instruction]
    if not all(one in possible for one in experiments):
        if named:
            raise InvalidInput("--only animoto", "it needs pictures", "Give --pictures FOLDER")
        say("slideshows are left out. To include them, give --pictures FOLDER")
    return possible


def _measure(
    session: Session, findings: Findings, terms: Terms, wanted: list[Cell], sources: tuple[str, ...], *, ask: bool
) -> None:
    before = sum(findings.of(cell) is not None for cell in wanted)
    if before:
        say(f"{before} of {len(wanted)} cells were measured before")
    with ExitStack() as stack:
        stack.enter_context(_interruptible())
        fleet = None
        if not all(cell.experiment.is_local for cell in wanted):
            fleet = stack.enter_context(Fleet(session.settings, services=session.connect(session.settings)))
        links = fleet.upload(*sources) if fleet and sources else []
        bar = stack.enter_context(progress_bar("measuring"))

        def begin(cell: Cell, tasks: int) -> None:
            bar.begin(0, tasks)
            bar.show(0, str(cell))

        def report(cell: Cell, finding: Finding) -> None:
            write_report(findings)
            say(cell_text(cell, finding))

        events = BenchEvents(on_begin=begin, on_progress=bar.complete, on_finding=report, on_note=say)
        Bench(fleet, Person(wait_for_enter) if ask else FleetCommand(), findings, terms, links, events).measure(wanted)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, so that the number of workers is restored at any end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_plan(plan: list[Forecast], *, as_json: bool) -> None:
    seconds, dollars = sum(one.seconds or 0.0 for one in plan), sum(one.dollars for one in plan)
    if as_json:
        rows = [
            {
                "experiment": one.cell.experiment.name,
                "width": one.cell.width,
                "tasks": one.tasks,
                "messages": one.messages,
                "seconds": one.seconds,
                "dollars": one.dollars,
            }
            for one in plan
        ]
        print_json({"cells": rows, "seconds": seconds, "dollars": dollars})
        return
    table = Table(title="what would be measured", title_justify="left")
    for head in ("experiment", "tasks", "messages", "at least", "requests"):
        table.add_column(head, justify="left" if head == "experiment" else "right")
    for one in plan:
        at_least = "?" if one.seconds is None else lasting(one.seconds)
        table.add_row(str(one.cell), f"{one.tasks:,}", f"{one.messages:,}", at_least, f"${one.dollars:.4f}")
    console().print(table)
    print_line(
        f"at least {lasting(seconds)}, and the time to start and stop workers; ? is unknown, short for throughput"
    )
    print_line(f"about ${dollars:.4f} of requests on AWS ({prices().origin}); machines cost extra")
    print_line("nothing was measured")
