"""Implements ``watch``: shows a run's progress until it is over."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import click
import trio
from rich.live import Live

from cloudkon.errors import CloudKonError, InvalidInput
from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.programs import command
from cloudkon.terminal import console, print_json, print_line

from ..follow.run_counts import RunCounts
from ..follow.watch import EVERY_SECONDS, RunSnapshot, Watch
from ..records.archive import Instructions, kept_instructions
from ..records.runs import find_run
from .session import Session, pass_session
from .view.display import report_counts
from .view.watch_view import as_json as snapshot_as_json
from .view.watch_view import as_line, as_panel, named_tasks

LEAST_SECONDS = 1.0
"""Shortest time between two snapshots."""
Show = Callable[[RunSnapshot], Awaitable[None]]


@click.command()
@click.argument("run", required=False)
@click.option("--every", type=float, default=EVERY_SECONDS, show_default=True, help="Seconds between two updates.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each update.")
@pass_session
def watch(session: Session, run: str | None, *, every: float, as_json: bool) -> int:
    """Show the progress of RUN until it ends; by default of the run pushed last.

    On a terminal the display is updated in place; elsewhere each update is a line. An update reads two pages of the
    ledger and each queue's depth, whatever the run's size: some 20 requests a minute. The counts of a large run are
    estimates ("about") until it ends. Ctrl-C ends watching, and the run goes on.

    Exits with 0 if every task succeeded, else with 1.

    \b
    Examples:
      python -m client watch
      python -m client watch 3752369e039 --json | jq .tasks_per_second
    """  # noqa: D301  (click's mark for text that keeps its lines)
    # Not ``every < LEAST_SECONDS``: nan must be refused too.
    if not every >= LEAST_SECONDS:
        raise InvalidInput(f"--every {every:g}", f"it must be at least {LEAST_SECONDS:g}")

    async def work(services: Services) -> RunCounts:
        found = await find_run(services.ledger, run, session.pushes)
        async with _shown(services, found, as_json=as_json) as show:
            return await Watch(services, found, priced=session.settings.target == "aws").follow(show, every)

    counts = session.run(work, f"The run goes on; watch it again with: {command('client watch')}")
    return report_counts(counts, as_json=as_json)


@asynccontextmanager
async def _shown(services: Services, run: Run, *, as_json: bool) -> AsyncIterator[Show]:
    screen = console()
    if as_json or not screen.is_terminal or screen.is_dumb_terminal:

        async def print_snapshot(snapshot: RunSnapshot) -> None:
            await trio.lowlevel.checkpoint()
            if as_json:
                print_json(snapshot_as_json(snapshot))
            else:
                print_line(as_line(snapshot))

        yield print_snapshot
        return
    async with AsyncExitStack() as stack:
        instructions = _TaskInstructions(services, run, stack)
        live = stack.enter_context(Live(console=screen, auto_refresh=False, transient=True))

        async def draw(snapshot: RunSnapshot) -> None:
            live.update(as_panel(snapshot, instructions.known, screen.width), refresh=True)
            if await instructions.fetch(snapshot):
                live.update(as_panel(snapshot, instructions.known, screen.width), refresh=True)

        yield draw


class _TaskInstructions:
    """The instructions of the tasks that the display names, fetched when the first is needed."""

    def __init__(self, services: Services, run: Run, stack: AsyncExitStack) -> None:
        self.known: dict[int, str] = {}
        self._services = services
        self._run = run
        self._stack = stack
        self._instructions: Instructions | None = None
        self._opened = False

    async def fetch(self, snapshot: RunSnapshot) -> bool:
        """Fetch the instructions that are not known yet; return whether there were any."""
        shown = named_tasks(snapshot)
        missing = [number for number in shown if number not in self.known]
        if not missing:
            return False
        if not self._opened:
            self._opened = True
            # Earlier versions kept no instructions: then the tasks' numbers alone are shown.
            with suppress(CloudKonError):
                kept = kept_instructions(self._services.store, self._run)
                self._instructions = await self._stack.enter_async_context(kept)
        if self._instructions is None:
            return False
        found = await trio.to_thread.run_sync(self._instructions.some, missing)
        self.known = {number: text for number, text in (self.known | found).items() if number in shown}
        return True
