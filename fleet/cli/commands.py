"""Implements ``python -m fleet``: calls a target, prints progress to stderr and results to stdout."""

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
from cloudkon.programs import command
from cloudkon.settings import Settings
from cloudkon.terminal import confirm, console

from ..docker.image_platform import parse_platform
from ..status import FleetStatus
from ..target import CloudTarget, Target
from ..target_options import NO_SIZING
from ..targets import target_for
from .aws_commands import autoscale, deploy, publish, require_cloud
from .output import json_option, line_writer, print_result
from .policy_command import policy
from .runner import report, run
from .sizing_options import sizing_of, sizing_options

WATCH_SECONDS: Final = 1.0
"""Between two updates of ``status --watch``."""
CLOUD_WATCH_SECONDS: Final = 10.0
"""The same on AWS: an update is some twenty calls, and nothing there changes faster."""

EXAMPLES: Final = f"""\b
Examples:
  {command("fleet build")}                 build the images (targets docker and aws)
  {command("fleet up")}                    start queues, table and store
  {command("fleet scale 4")}               run four workers
  {command("fleet scale 1 --pool animoto")}
  {command("fleet status --watch")}
  {command("fleet logs --follow")}
  {command("fleet autoscale --max 16")}    scale by the backlog (target aws)
  {command("fleet publish")}               push the images to the fleet's registry (target aws)
  {command("fleet deploy")}                deploy them to its services (target aws)
  {command("fleet policy up")}             print the IAM policies that up needs (target aws)
  {command("fleet down")}                  stop everything; messages and videos stay
  {command("fleet down --delete-data")}    stop everything and delete all data

CLOUDKON_TARGET sets where the fleet runs (local by default), CLOUDKON_FLEET its name.
"""


@click.group(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloudkon fleet")
@click.pass_context
def fleet(context: click.Context) -> None:
    """Start, scale, watch and stop a fleet of workers."""
    if context.obj is None:
        context.obj = partial(_target_from_environment)


@fleet.command()
@click.option("--pool", default=None, help="Only this pool's image.")
@click.option("--platform", default="", help="linux/amd64 or linux/arm64.  [default: the workers' own]")
@json_option
@click.pass_obj
def build(make_target: Callable[[], Target], pool: str | None, platform: str, *, as_json: bool) -> None:
    """Build the workers' images, if the target needs any. Unchanged layers are reused."""
    chosen = (pool_named(pool),) if pool else POOLS
    wanted = parse_platform(platform) if platform else ""
    run(lambda: make_target().build(chosen, report, wanted))
    print_result({"pools": [one.name for one in chosen]}, "", as_json=as_json)


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
    """Start the fleet without workers, or repair it. It is safe to repeat.

    Options for instances are for the target aws. Each stays in effect until another up changes it.
    """
    sizing = sizing_of(options)
    target = make_target()
    if dry_run:
        cloud = require_cloud(target, "--dry-run")
        lines = run(lambda: cloud.preview(report, sizing))
        print_result({"changes": [*lines]}, *(lines or ["nothing would change"]), as_json=as_json)
        return
    if sizing == NO_SIZING:
        endpoint = run(lambda: target.up(report))
    else:
        cloud = require_cloud(target, "options for instances")
        endpoint = run(lambda: cloud.up(report, sizing))
    report(f"the fleet is up; start workers with: {command('fleet scale 2')}")
    print_result({"endpoint_url": endpoint}, endpoint, as_json=as_json)


@fleet.command(context_settings={"ignore_unknown_options": True})  # so that -1 is an invalid count
@click.argument("count", type=int)
@click.option("--pool", default=WORKER.name, show_default=True, help=f"{' or '.join(pool.name for pool in POOLS)}")
@json_option
@click.pass_obj
def scale(make_target: Callable[[], Target], count: int, pool: str, *, as_json: bool) -> None:
    """Scale a pool to COUNT workers, and wait until they run. Surplus workers finish or release what they run."""
    chosen = pool_named(pool)
    if count < 0:
        raise InvalidInput(f"count {count}", "the count must be 0 or more")
    run(lambda: make_target().scale(chosen, count, report))
    print_result({"pool": chosen.name, "running": count}, f"pool {chosen.name}: {count} running", as_json=as_json)


@fleet.command()
@click.option("--pool", default=None, help="Only this pool's row.")
@json_option
@click.option("--watch", is_flag=True, help="Update once a second, until Ctrl-C.")
@click.pass_obj
def status(make_target: Callable[[], Target], pool: str | None, *, as_json: bool, watch: bool) -> None:
    """Show each pool's workers, backlog, in-flight messages and dead letters, and the fleet's problems."""
    if as_json and watch:
        raise click.UsageError("--json and --watch can't be combined")
    only = pool_named(pool).name if pool else ""
    target = make_target()
    if watch:
        _watch(target, only)
        return
    current = _only_pool(run(target.status), only)
    if as_json:
        print_result(current.to_json(), "", as_json=True)
        return
    from .status_view import rendered  # noqa: PLC0415  (rich takes longer to load than the rest of --help)

    # Unwrapped, so that a problem's command can be copied.
    console().print(rendered(current), soft_wrap=True)


@fleet.command()
@click.option("--pool", default=None, help="Only this pool's workers.")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=20, show_default=True, help="Lines of each log.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines, until Ctrl-C.")
@click.option("--task", default="", help="Only the lines about this task, RUN/SEQ (target aws).")
@click.option("--json", "as_json", is_flag=True, help="Print each line as a JSON object.")
@click.pass_obj
def logs(
    make_target: Callable[[], Target], pool: str | None, lines: int, task: str, *, follow: bool, as_json: bool
) -> None:
    """Show the workers' logs, oldest first."""
    chosen: Pool | None = pool_named(pool) if pool else None
    target, write = make_target(), line_writer(as_json=as_json)
    if task:
        cloud = require_cloud(target, "--task")
        run(lambda: cloud.logs(chosen, lines, follow=follow, write=write, task=task))
    else:
        run(lambda: target.logs(chosen, lines, follow=follow, write=write))


@fleet.command()
@click.option("--delete-data", is_flag=True, help="Delete messages, ledger and stored objects as well.")
@click.option("--grace", type=click.FloatRange(min=0), default=None, help="Seconds before workers stop (target aws).")
@click.option("--yes", is_flag=True, help="Don't ask (target aws).")
@json_option
@click.pass_obj
def down(
    make_target: Callable[[], Target], *, delete_data: bool, grace: float | None, yes: bool, as_json: bool
) -> None:
    """Stop everything. Workers finish or release what they run."""
    target = make_target()
    if isinstance(target, CloudTarget):
        if not yes:
            _confirm(target, delete_data=delete_data)
        run(lambda: target.down(report, delete_data=delete_data, grace=grace or 0.0))
    else:
        if grace is not None:
            require_cloud(target, "--grace")
        run(lambda: target.down(report, delete_data=delete_data))
    report("the fleet is down")
    print_result({"data_deleted": delete_data}, "", as_json=as_json)


for aws_command in (publish, deploy, autoscale, policy):
    fleet.add_command(aws_command)


def _confirm(target: CloudTarget, *, delete_data: bool) -> None:
    """Go on only if a person confirms: the deleted data may have cost hours of work."""
    if not sys.stdin.isatty():
        raise InvalidInput("down", "stdin is not a terminal", "Pass --yes to confirm")
    data = " with its messages, results and videos" if delete_data else ""
    confirm(f"take down {run(target.describe)}{data}?", abort=True)


def _target_from_environment() -> Target:
    return target_for(Settings.from_environment())


def _only_pool(status: FleetStatus, pool: str) -> FleetStatus:
    """Return the status with only the named pool, or unchanged without a name."""
    return replace(status, pools={pool: status.pools[pool]}) if pool else status


def _watch(target: Target, pool: str) -> None:
    from rich.live import Live  # noqa: PLC0415  (rich takes longer to load than the rest of --help)

    from .status_view import rendered  # noqa: PLC0415  (for the same reason)

    screen = console()
    pause = CLOUD_WATCH_SECONDS if isinstance(target, CloudTarget) else WATCH_SECONDS

    async def update() -> None:
        with Live(console=screen, auto_refresh=False) as live:
            while True:
                current = rendered(_only_pool(await target.status(), pool))
                # Text in a pipe or a file can't be redrawn: there the updates follow one another.
                if screen.is_terminal:
                    live.update(current, refresh=True)
                else:
                    screen.print(current)
                await trio.sleep(pause)

    trio.run(update)
