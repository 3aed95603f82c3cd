"""Commands that list what there is: runs, status."""

import json
from contextlib import aclosing

import click

from cloudkon.errors import InvalidInput
from cloudkon.ports import Services

from ..follow.overview import PoolView, RunView, latest_runs, pools
from .display import say
from .formatting import counted, lasting
from .session import Session, pass_session

SHOWN_RUNS = 5
"""Runs that status shows."""


@click.command()
@click.option("--limit", type=int, default=20, show_default=True, help="How many at the most, the latest ones.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a run.")
@pass_session
def runs(session: Session, limit: int, *, as_json: bool) -> None:
    """List the runs there are, the latest first, each with its age and its tasks' counts.

    A run's counts take up to eight requests, and are estimates (~) for runs of more than 2,048 messages, which check
    counts exactly. Runs are kept for 90 days, their results for 28 days after the last write.

    \b
    Examples:
      python -m client runs
      python -m client runs --limit 100 --json | jq -r 'select(.failed > 0).run'
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if limit < 1:
        raise InvalidInput(f"--limit {limit}", "it must be at least 1")

    async def work(services: Services) -> int:
        return await _list_runs(services, limit, as_json=as_json)

    if not session.run(work, "The same command lists them anew"):
        say("there are no runs. Push one with: python -m client push")


async def _list_runs(services: Services, limit: int, *, as_json: bool) -> int:
    count = 0
    async with aclosing(latest_runs(services, limit)) as views:
        async for view in views:
            if as_json:
                click.echo(json.dumps(_run_json(view)))
            else:
                if not count:
                    click.echo(f"{'run':<11} {'age':>9} {'tasks':>9} {'ended':>10} {'failed':>6}  state")
                click.echo(_run_line(view))
            count += 1
    return count


def _run_line(view: RunView) -> str:
    run, counts = view.run, view.counts
    about = "" if counts.exact else "~"
    of = f", retry of {run.parent}" if run.parent else ""
    ended, failed = f"{about}{counts.ended:,}", f"{about}{counts.failed:,}"
    return f"{run.id:<11} {lasting(view.age):>9} {run.count:>9,} {ended:>10} {failed:>6}  {view.state}{of}"


def _run_json(view: RunView) -> dict[str, object]:
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
        "exact": counts.exact,
        "state": view.state,
        "parent": run.parent or None,
        "priority": str(run.priority),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@pass_session
def status(session: Session, *, as_json: bool) -> None:
    """Show what lies on the fleet's queues, and its latest runs.

    Workers are the fleet program's business: python -m fleet status counts them.

    \b
    Examples:
      python -m client status
      python -m client status --json | jq .pools.worker.queued
    """  # noqa: D301  (click's mark for text that keeps its lines)

    async def work(services: Services) -> tuple[list[PoolView], list[RunView]]:
        async with aclosing(latest_runs(services, SHOWN_RUNS)) as views:
            return await pools(services), [view async for view in views]

    queues, views = session.run(work, "The same command asks anew")
    settings = session.settings
    if as_json:
        facts = {"fleet": settings.fleet, "target": settings.target, "pools": {}, "runs": [_run_json(v) for v in views]}
        facts["pools"] = {view.pool: _pool_json(view) for view in queues}
        click.echo(json.dumps(facts))
        return
    click.echo(f"fleet {settings.fleet}, target {settings.target}")
    for view in queues:
        depth = view.backlog
        dead = f", {counted(view.dead_letters, 'dead letter')}: python -m client dlq list" if view.dead_letters else ""
        high = f" ({view.high.visible + view.high.delayed:,} of high priority)" if not view.high.empty else ""
        queued = f"{depth.visible + depth.delayed:,} queued{high}"
        click.echo(f"pool {view.pool}: {queued}, {depth.in_flight:,} in flight{dead}")
    for run in views:
        click.echo(f"run {_run_line(run)}")


def _pool_json(view: PoolView) -> dict[str, int]:
    depth = view.backlog
    return {
        "queued": depth.visible + depth.delayed,
        "in_flight": depth.in_flight,
        "queued_high": view.high.visible + view.high.delayed,
        "dead_letters": view.dead_letters,
    }
