"""Implements ``status``: shows the depths of the fleet's queues, and its latest runs."""

from contextlib import aclosing

import click

from cloudkon.ports import Services
from cloudkon.programs import command
from cloudkon.terminal import print_json, print_line

from ..follow.overview import PoolView, RunView, latest_runs, pools
from .runs_command import run_json, run_line
from .session import Session, pass_session
from .view.formatting import counted

SHOWN_RUNS = 5
"""Runs that ``status`` shows."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@pass_session
def status(session: Session, *, as_json: bool) -> None:
    """Show how many messages the fleet's queues hold, and its latest runs.

    It shows no workers: python -m fleet status does.

    \b
    Examples:
      python -m client status
      python -m client status --json | jq .pools.worker.queued
    """  # noqa: D301  (click's mark for text that keeps its lines)

    async def work(services: Services) -> tuple[list[PoolView], list[RunView]]:
        async with aclosing(latest_runs(services, SHOWN_RUNS)) as views:
            return await pools(services), [view async for view in views]

    queues, views = session.run(work, "Run the same command again")
    settings = session.settings
    if as_json:
        facts = {"fleet": settings.fleet, "target": settings.target, "pools": {}, "runs": [run_json(v) for v in views]}
        facts["pools"] = {view.pool: _pool_json(view) for view in queues}
        print_json(facts)
        return
    print_line(f"fleet {settings.fleet}, target {settings.target}")
    for view in queues:
        depth = view.backlog
        letters = f", {counted(view.dead_letters, 'dead letter')}: {command('client dlq list')}"
        dead = letters if view.dead_letters else ""
        high = f" ({view.high.visible + view.high.delayed:,} of high priority)" if not view.high.empty else ""
        queued = f"{depth.visible + depth.delayed:,} queued{high}"
        print_line(f"pool {view.pool}: {queued}, {depth.in_flight:,} in flight{dead}")
    for run in views:
        print_line(f"run {run_line(run)}")


def _pool_json(view: PoolView) -> dict[str, int]:
    depth = view.backlog
    return {
        "queued": depth.visible + depth.delayed,
        "in_flight": depth.in_flight,
        "queued_high": view.high.visible + view.high.delayed,
        "dead_letters": view.dead_letters,
    }
