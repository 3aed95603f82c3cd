"""Implements ``cancel``: cancels the tasks of a run that have not ended."""

import click

from cloudkon.ports import Services
from cloudkon.terminal import say

from ..records.runs import cancel as cancel_run
from ..records.runs import find_run
from .session import Session, pass_session


@click.command()
@click.argument("run", required=False)
@pass_session
def cancel(session: Session, run: str | None) -> None:
    """Cancel RUN; by default the run pushed last. Running tasks are stopped, recorded results stay.

    \b
    Examples:
      python -m client cancel
      python -m client cancel 3752369e039
    """  # noqa: D301  (click's mark for text that keeps its lines)

    async def work(services: Services) -> str:
        # To cancel is to set a flag: it needs nothing of the run's pools.
        found = await find_run(services.ledger, run, session.pushes, of_any_pool=True)
        await cancel_run(services.ledger, found)
        return found.id

    cancelled = session.run(work, "The run may or may not be cancelled: run the same command again")
    say(f"run {cancelled} is cancelled; its workers stop within seconds")
