"""Implements ``runs``: lists the latest runs."""

from contextlib import aclosing

import click

from cloudkon.errors import InvalidInput
from cloudkon.ports import Services
from cloudkon.programs import command
from cloudkon.terminal import print_json, print_line, say

from ..follow.overview import RunView, latest_runs
from .session import Session, pass_session
from .view.formatting import lasting


@click.command()
@click.option("--limit", type=int, default=20, show_default=True, help="How many runs at the most.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each run.")
@pass_session
def runs(session: Session, limit: int, *, as_json: bool) -> None:
    """List the latest runs, the latest first, each with its age and its tasks' counts.

    The counts take up to eight requests a run. For runs of more than 2,048 messages they are estimates (~); the
    command check counts exactly. Runs are kept for 90 days, their results for 28 days after the last write.

    \b
    Examples:
      python -m client runs
      python -m client runs --limit 100 --json | jq -r 'select(.failed > 0).run'
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if limit < 1:
        raise InvalidInput(f"--limit {limit}", "it must be at least 1")

    async def work(services: Services) -> int:
        return await _list_runs(services, limit, as_json=as_json)

    if not session.run(work, "Run the same command again"):
        say(f"there are no runs. Push one with: {command('client push')}")


async def _list_runs(services: Services, limit: int, *, as_json: bool) -> int:
    count = 0
    async with aclosing(latest_runs(services, limit)) as views:
        async for view in views:
            if as_json:
                print_json(run_json(view))
            else:
                if not count:
                    print_line(f"{'run':<11} {'age':>9} {'tasks':>9} {'ended':>10} {'failed':>6}  state")
                print_line(run_line(view))
            count += 1
    return count


def run_line(view: RunView) -> str:
    """Format a run as a line of the table."""
    run, counts = view.run, view.counts
    about = "" if counts.exact else "~"
    of = f", retry of {run.parent}" if run.parent else ""
    unknown = f", {counts.unknown:,} unknown" if counts.unknown else ""
    ended, failed = f"{about}{counts.ended:,}", f"{about}{counts.failed:,}"
    return f"{run.id:<11} {lasting(view.age):>9} {run.count:>9,} {ended:>10} {failed:>6}  {view.state}{unknown}{of}"


def run_json(view: RunView) -> dict[str, object]:
    """Return a run as ``runs --json`` prints it; times in seconds."""
    run, counts = view.run, view.counts
    return {
        "run": run.id,
        "started": run.started,
        "age_seconds": round(view.age, 1),
        "tasks": run.count,
        "messages": run.chunk_count,
        "chunk_size": run.chunk_size,
        "pools": {part.pool: part.count for part in run.ranges},
        "waiting": counts.waiting,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "unknown": counts.unknown,
        "exact": counts.exact,
        "state": view.state,
        "parent": run.parent or None,
        "priority": str(run.priority),
    }
