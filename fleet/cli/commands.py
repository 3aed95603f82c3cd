"""The command line ``python -m fleet``: words in, a target's answers out. Progress to stderr, results to stdout."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import click
import trio

from cloudkon import __version__
from cloudkon.errors import InvalidInput
from cloudkon.model import POOLS, WORKER, Pool, pool_named
from cloudkon.settings import Settings

from ..status import FleetStatus
from ..target import CloudTarget, Target
from ..target_options import NO_SIZING
from ..targets import target_for
from .aws_commands import autoscale, cloud, deploy, publish
from .output import answer, json_option, line_writer
from .runner import report, run
from .sizing_options import sizing_of, sizing_options

WATCH_SECONDS: Final = 1.0
"""Between two looks of ``status --watch``."""
CLOUD_WATCH_SECONDS: Final = 10.0
"""The same on AWS: a look is some twenty calls, and nothing there changes faster."""

EXAMPLES: Final = """\b
Examples:
  python -m fleet build                 make the images (targets docker and aws)
  python -m fleet up                    start the queues, table and store
  python -m fleet scale 4               have four workers
  python -m fleet scale 1 --pool animoto
  python -m fleet status --watch
  python -m fleet logs --follow
  python -m fleet autoscale --max 16    have them follow the backlog (target aws)
  python -m fleet publish               images into the fleet's registry (target aws)
  python -m fleet deploy                and out to its services (target aws)
  python -m fleet down                  stop it all; messages and videos stay
  python -m fleet down --delete-data    and nothing stays

Where it runs is set in CLOUDKON_TARGET (local by default), its name in CLOUDKON_FLEET.
"""


@click.group(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloudkon fleet")
@click.pass_context
def fleet(context: click.Context) -> None:
    """Start, scale, watch and stop a fleet of workers."""
    if context.obj is None:
        context.obj = partial(_target_of_environment)


@fleet.command()
@click.option("--pool", default=None, help="Only this pool's image.")
@json_option
@click.pass_obj
def build(make_target: Callable[[], Target], pool: str | None, *, as_json: bool) -> None:
    """Make the images that workers run, where the target needs any. Unchanged layers are not made again."""
    chosen = (pool_named(pool),) if pool else POOLS
    run(lambda: make_target().build(chosen, report))
    answer({"pools": [one.name for one in chosen]}, "", as_json=as_json)


@fleet.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing (target aws).")
@sizing_options
@json_option
@click.pass_obj
def up(
    make_target: Callable[[], Target],
    /,
    *,
    dry_run: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401  (click's values)
) -> None:
    """Start the fleet without workers, or mend it. Run it as often as you like.

    Options for machines are for the target aws, and what they say stays until they say something else.
    """
    sizing = sizing_of(options)
    target = make_target()
    if dry_run:
        previewed = cloud(target, "--dry-run")
        lines = run(lambda: previewed.preview(report, sizing))
        answer({"changes": [*lines]}, "\n".join(lines) or "nothing would change", as_json=as_json)
        return
    if sizing == NO_SIZING:
        endpoint = run(lambda: target.up(report))
    else:
        sized = cloud(target, "options for machines")
        endpoint = run(lambda: sized.up(report, sizing))
    report("the fleet is up; set its workers with: python -m fleet scale 2")
    answer({"endpoint_url": endpoint}, endpoint, as_json=as_json)


@fleet.command(context_settings={"ignore_unknown_options": True})  # so that -1 is a count, and a wrong one
@click.argument("count", type=int)
@click.option("--pool", default=WORKER.name, show_default=True, help=f"{' or '.join(pool.name for pool in POOLS)}")
@json_option
@click.pass_obj
def scale(make_target: Callable[[], Target], count: int, pool: str, *, as_json: bool) -> None:
    """Have COUNT workers in a pool, and wait until they run. Those that are too many end what they have begun."""
    chosen = pool_named(pool)
    if count < 0:
        raise InvalidInput(f"count {count}", "there can't be fewer than no workers", "Give 0 or more")
    run(lambda: make_target().scale(chosen, count, report))
    answer({"pool": chosen.name, "running": count}, f"pool {chosen.name}: {count} running", as_json=as_json)


@fleet.command()
@click.option("--pool", default=None, help="Only this pool's row.")
@json_option
@click.option("--watch", is_flag=True, help="Go on, once a second, until Ctrl-C.")
@click.pass_obj
def status(make_target: Callable[[], Target], pool: str | None, *, as_json: bool, watch: bool) -> None:
    """Workers, backlog, in flight and dead letters of each pool, and what is wrong."""
    if as_json and watch:
        raise click.UsageError("--json and --watch don't go together")
    only = pool_named(pool).name if pool else ""
    target = make_target()
    if watch:
        _watch(target, only)
        return
    found = _narrowed(run(target.status), only)
    if as_json:
        answer(found.to_json(), "", as_json=True)
        return
    from rich.console import Console  # noqa: PLC0415  (rich takes longer to load than the rest of --help)

    from .status_view import rendered  # noqa: PLC0415  (for the same reason)

    # Unwrapped: a problem's remedy is there to be copied.
    Console().print(rendered(found), soft_wrap=True)


@fleet.command()
@click.option("--pool", default=None, help="Only this pool's workers.")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=20, show_default=True, help="Of each worker's log.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what they say, until Ctrl-C.")
@click.option("--task", default="", help="Only the lines about this task, RUN/SEQ (target aws).")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
@click.pass_obj
def logs(
    make_target: Callable[[], Target], pool: str | None, lines: int, task: str, *, follow: bool, as_json: bool
) -> None:
    """What the workers said last, in the order of time."""
    chosen: Pool | None = pool_named(pool) if pool else None
    target, write = make_target(), line_writer(as_json=as_json)
    if task:
        searched = cloud(target, "--task")
        run(lambda: searched.logs(chosen, lines, follow=follow, write=write, task=task))
    else:
        run(lambda: target.logs(chosen, lines, follow=follow, write=write))


@fleet.command()
@click.option("--delete-data", is_flag=True, help="Delete messages, ledger and stored objects as well.")
@click.option("--grace", type=click.FloatRange(min=0), default=None, help="Seconds that work may go on (target aws).")
@click.option("--yes", is_flag=True, help="Don't ask (target aws).")
@json_option
@click.pass_obj
def down(
    make_target: Callable[[], Target], *, delete_data: bool, grace: float | None, yes: bool, as_json: bool
) -> None:
    """Stop all that runs. Workers end or give back what they have begun."""
    target = make_target()
    if isinstance(target, CloudTarget):
        if not yes:
            _ask(target, delete_data=delete_data)
        run(lambda: target.down(report, delete_data=delete_data, grace=grace or 0.0))
    else:
        if grace is not None:
            cloud(target, "--grace")
        run(lambda: target.down(report, delete_data=delete_data))
    report("the fleet is down")
    answer({"data_deleted": delete_data}, "", as_json=as_json)


for command in (publish, deploy, autoscale):
    fleet.add_command(command)


def _ask(target: CloudTarget, *, delete_data: bool) -> None:
    """Go on only if a person says so: what is taken away may have cost hours."""
    if not sys.stdin.isatty():
        raise InvalidInput("down", "it asks first, and there is nobody to ask", "Give --yes")
    data = " with its messages, results and videos" if delete_data else ""
    click.confirm(f"take down {run(target.describe)}{data}?", abort=True, err=True)


def _target_of_environment() -> Target:
    return target_for(Settings.from_environment())


def _narrowed(found: FleetStatus, pool: str) -> FleetStatus:
    """The status with one pool's row only, if one is named."""
    return replace(found, pools={pool: found.pools[pool]}) if pool else found


def _watch(target: Target, pool: str) -> None:
    from rich.console import Console  # noqa: PLC0415  (rich takes longer to load than the rest of --help)
    from rich.live import Live  # noqa: PLC0415  (for the same reason)

    from .status_view import rendered  # noqa: PLC0415  (for the same reason)

    console = Console()
    pause = CLOUD_WATCH_SECONDS if isinstance(target, CloudTarget) else WATCH_SECONDS

    async def look() -> None:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                found = rendered(_narrowed(await target.status(), pool))
                # Into a pipe or a file nothing can be drawn over: there it is a list of what was.
                if console.is_terminal:
                    live.update(found, refresh=True)
                else:
                    console.print(found)
                await trio.sleep(pause)

    trio.run(look)
