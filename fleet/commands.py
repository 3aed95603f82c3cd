"""The command line ``python -m fleet``: words in, a target's answers out. Progress to stderr, results to stdout."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import click
import trio

from cloudkon import __version__
from cloudkon.errors import InvalidInput
from cloudkon.settings import Settings
from cloudkon.words import POOLS, WORKER, Pool, pool_named
from fleet.target import Target, target_for

WATCH_SECONDS: Final = 1.0
"""Between two looks of ``status --watch``."""
Result = TypeVar("Result")

EXAMPLES: Final = """\b
Examples:
  python -m fleet build                 make the images (target docker)
  python -m fleet up                    start the queues, table and store
  python -m fleet scale 4               have four workers
  python -m fleet scale 1 --pool animoto
  python -m fleet status --watch
  python -m fleet logs --follow
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
@click.pass_obj
def build(make_target: Callable[[], Target], pool: str | None) -> None:
    """Make the images that workers run, where the target needs any. Unchanged layers are not made again."""
    chosen = (pool_named(pool),) if pool else POOLS
    _run(lambda: make_target().build(chosen, _report))


@fleet.command()
@click.pass_obj
def up(make_target: Callable[[], Target]) -> None:
    """Start the fleet without workers, or mend it. Run it as often as you like."""
    endpoint = _run(lambda: make_target().up(_report))
    _report("the fleet is up; set its workers with: python -m fleet scale 2")
    if endpoint:
        click.echo(endpoint)


@fleet.command(context_settings={"ignore_unknown_options": True})  # so that -1 is a count, and a wrong one
@click.argument("count", type=int)
@click.option("--pool", default=WORKER.name, show_default=True, help=f"{' or '.join(pool.name for pool in POOLS)}")
@click.pass_obj
def scale(make_target: Callable[[], Target], count: int, pool: str) -> None:
    """Have COUNT workers in a pool, and wait until they run. Those that are too many end what they have begun."""
    chosen = pool_named(pool)
    if count < 0:
        raise InvalidInput(f"count {count}", "there can't be fewer than no workers", "Give 0 or more")
    _run(lambda: make_target().scale(chosen, count, _report))
    click.echo(f"pool {chosen.name}: {count} running")


@fleet.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--watch", is_flag=True, help="Go on, once a second, until Ctrl-C.")
@click.pass_obj
def status(make_target: Callable[[], Target], *, as_json: bool, watch: bool) -> None:
    """Workers, backlog, in flight and dead letters of each pool, and what is wrong."""
    if as_json and watch:
        raise click.UsageError("--json and --watch don't go together")
    target = make_target()
    if watch:
        _watch(target)
        return
    found = _run(target.status)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    from rich.console import Console  # noqa: PLC0415  (rich takes longer to load than the rest of --help)

    from fleet.screen import rendered  # noqa: PLC0415  (for the same reason)

    Console().print(rendered(found))


@fleet.command()
@click.option("--pool", default=None, help="Only this pool's workers.")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=20, show_default=True, help="Of each worker's log.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what they say, until Ctrl-C.")
@click.pass_obj
def logs(make_target: Callable[[], Target], pool: str | None, lines: int, *, follow: bool) -> None:
    """What the workers said last, in the order of time."""
    chosen: Pool | None = pool_named(pool) if pool else None
    target = make_target()
    _run(lambda: target.logs(chosen, lines, follow=follow, write=_write_line))


@fleet.command()
@click.option("--delete-data", is_flag=True, help="Delete messages, ledger and stored objects as well.")
@click.pass_obj
def down(make_target: Callable[[], Target], *, delete_data: bool) -> None:
    """Stop all that runs. Workers end or give back what they have begun."""
    _run(lambda: make_target().down(_report, delete_data=delete_data))
    _report("the fleet is down")


def _target_of_environment() -> Target:
    return target_for(Settings.from_environment())


def _run(question: Callable[[], Awaitable[Result]]) -> Result:
    async def answer() -> Result:
        return await question()

    return trio.run(answer)


def _watch(target: Target) -> None:
    from rich.console import Console  # noqa: PLC0415  (rich takes longer to load than the rest of --help)
    from rich.live import Live  # noqa: PLC0415  (for the same reason)

    from fleet.screen import rendered  # noqa: PLC0415  (for the same reason)

    console = Console()

    async def look() -> None:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                found = rendered(await target.status())
                # Into a pipe or a file nothing can be drawn over: there it is a list of what was.
                if console.is_terminal:
                    live.update(found, refresh=True)
                else:
                    console.print(found)
                await trio.sleep(WATCH_SECONDS)

    trio.run(look)


def _report(line: str) -> None:
    click.echo(line, err=True)


def _write_line(source: str, text: str) -> None:
    click.echo(f"{source} | {text}")
