"""The watch command."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import click
import trio
from rich.console import Console
from rich.live import Live

from cloudkon.errors import CloudKonError, InvalidInput
from cloudkon.model import Run
from cloudkon.ports import Services

from ..follow.run_counts import RunCounts
from ..follow.watch import EVERY, RunSnapshot, Watch
from ..records.archive import Instructions, kept_instructions
from ..records.runs import find_run
from .display import report_counts
from .session import Session, pass_session
from .watch_view import as_json as sight_as_json
from .watch_view import as_line, as_picture, named_tasks

SHORTEST = 1.0
"""Seconds between two looks at the least."""
Show = Callable[[RunSnapshot], Awaitable[None]]


@click.command()
@click.argument("run", required=False)
@click.option("--every", type=float, default=EVERY, show_default=True, help="Seconds between two looks.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a look.")
@pass_session
def watch(session: Session, run: str | None, *, every: float, as_json: bool) -> int:
    """Show how RUN goes on until it ends; by default the run pushed last.

    On a terminal a picture is kept up to date, elsewhere each look is a line. A look asks for two pages of the ledger
    and for each queue's depth, whatever the run's size: some 20 requests a minute. Of a large run the counts are
    estimates ("about") until it ends. Ctrl-C ends watching, and the run goes on.

    Exits with 0 if every task succeeded, else with 1.

    \b
    Examples:
      python -m client watch
      python -m client watch 3752369e039 --json | jq .tasks_per_second
    """  # noqa: D301  (click's mark for text that keeps its lines)
    # Turned round, so that nan is refused too.
    if not every >= SHORTEST:
        raise InvalidInput(f"--every {every:g}", f"it must be at least {SHORTEST:g}")

    async def work(services: Services) -> RunCounts:
        found = await find_run(services.ledger, run, session.pushes)
        async with _shown(services, found, as_json=as_json) as show:
            return await Watch(services, found, priced=session.settings.target == "aws").follow(show, every)

    tally = session.run(work, "The run goes on; watch it again with: python -m client watch")
    return report_counts(tally, as_json=as_json)


@asynccontextmanager
async def _shown(services: Services, run: Run, *, as_json: bool) -> AsyncIterator[Show]:
    console = Console(highlight=False)
    if as_json or not console.is_terminal or console.is_dumb_terminal:

        async def print_line(sight: RunSnapshot) -> None:
            await trio.lowlevel.checkpoint()
            click.echo(json.dumps(sight_as_json(sight)) if as_json else as_line(sight))

        yield print_line
        return
    async with AsyncExitStack() as stack:
        names = _Names(services, run, stack)
        live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))

        async def draw(sight: RunSnapshot) -> None:
            live.update(as_picture(sight, names.known, console.width), refresh=True)
            if await names.learn(sight):
                live.update(as_picture(sight, names.known, console.width), refresh=True)

        yield draw


class _Names:
    """The instructions of the tasks that a picture names, fetched when the first is wanted."""

    def __init__(self, services: Services, run: Run, stack: AsyncExitStack) -> None:
        self.known: dict[int, str] = {}
        self._services = services
        self._run = run
        self._stack = stack
        self._instructions: Instructions | None = None
        self._asked = False

    async def learn(self, sight: RunSnapshot) -> bool:
        """Look up what is not known yet; tell whether something was learned."""
        shown = named_tasks(sight)
        missing = [number for number in shown if number not in self.known]
        if not missing:
            return False
        if not self._asked:
            self._asked = True
            # Without them the numbers must do: they are there for earlier runs than these, too.
            with suppress(CloudKonError):
                kept = kept_instructions(self._services.store, self._run)
                self._instructions = await self._stack.enter_async_context(kept)
        if self._instructions is None:
            return False
        found = await trio.to_thread.run_sync(self._instructions.some, missing)
        self.known = {number: text for number, text in (self.known | found).items() if number in shown}
        return True
