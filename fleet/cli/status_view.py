"""Renders a fleet's status for a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cloudkon.printable import printable

from ..status import FleetStatus, PoolStatus

MINUTE, HOUR, DAY = 60, 3600, 86_400


def rendered(status: FleetStatus) -> RenderableType:
    """Return a head line, a table with a row for each pool, the problems and the notes."""
    where = f" ({status.place})" if status.place else f" at {status.endpoint_url}" if status.endpoint_url else ""
    head = f"fleet {status.fleet} on {status.target}{where}, up {duration(status.uptime_seconds)}"
    if status.emulator:
        head += f", emulator pid {status.emulator.pid}" if status.emulator.pid else ", emulator down"
    table = Table(box=None, pad_edge=False, header_style="bold")
    # ECS does not count its restarts, and has columns that the other targets lack.
    columns = ("pending", "oldest", "scaling") if status.instances else ("restarts",)
    for column in ("pool", "workers", *columns, "visible", "in flight", "delayed", "dead letters"):
        table.add_column(column, justify="left" if column == "pool" else "right")
    for name, pool in status.pools.items():
        table.add_row(name, *_cells(pool, on_instances=bool(status.instances)))
    problems = (_text(f"! {problem}", style="yellow") for problem in status.problems)
    return Group(_text(head), table, *map(_text, _instance_lines(status)), *problems, *map(_text, status.notes))


def _text(line: str, style: str = "") -> Text:
    return Text(printable(line), style=style)


def duration(seconds: float) -> str:
    """Format a duration in at most two units: ``45 s``, ``3 min 5 s``, ``2 h 14 min``, ``3 d 1 h``."""
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def _instance_lines(status: FleetStatus) -> Iterator[str]:
    if instances := status.instances:
        yield (
            f"instances: {instances.running} running, {instances.wanted} desired, {instances.most} allowed, "
            f"{instances.registered} registered, {instances.idle} idle"
        )
    if cost := status.cost:
        each = "" if cost.thousand_tasks is None else f", ${cost.thousand_tasks:.4f} per 1,000 tasks"
        yield f"cost: ${cost.hour:.2f} an hour now{each} ({cost.origin})"


def _cells(pool: PoolStatus, *, on_instances: bool) -> list[str]:
    workers = str(pool.running) if pool.running == pool.desired else f"{pool.running} of {pool.desired}"
    backlog = pool.backlog
    counts = [backlog.visible, backlog.in_flight, backlog.delayed] if backlog else [None] * 3
    cells = ["?" if count is None else f"{count:,}" for count in [*counts, pool.dead_letters]]
    if not on_instances:
        return [workers, f"{pool.restarts:,}", *cells]
    oldest = "" if pool.oldest_seconds is None else duration(pool.oldest_seconds)
    return [workers, f"{pool.pending:,}", oldest, pool.scaling, *cells]
