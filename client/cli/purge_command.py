"""The ``purge`` command."""

import click

from cloudkon.backoff import BRIEF, persist
from cloudkon.ports import Services
from cloudkon.terminal import say

from ..dead_letters.purge import purge_pool
from ..follow.overview import pools as pool_views
from .confirmation import confirm, yes_option
from .pool_option import POOL_NAMES, pool_option
from .session import Session, pass_session
from .view.formatting import counted


@click.command()
@pool_option
@click.option("--results", "result_queue", is_flag=True, help="The result queue too; the ledger keeps the results.")
@yes_option
@pass_session
def purge(session: Session, pools: tuple[str, ...], *, result_queue: bool, yes: bool) -> None:
    """Delete all messages on the pools' queues, whichever runs they belong to. Asks for confirmation.

    The ledger still counts the tasks as waiting; push --run RUN sends a run's messages again. To end a run, use cancel
    instead. SQS takes up to a minute to purge a queue, and allows one purge per queue and minute.

    \b
    Examples:
      python -m client purge
      python -m client purge --pool worker --results --yes
    """  # noqa: D301  (click's mark for text that keeps its lines)
    names = pools or POOL_NAMES

    async def count(services: Services) -> int:
        views = [view for view in await pool_views(services) if view.pool in names]
        return sum(view.backlog.visible + view.backlog.in_flight + view.backlog.delayed for view in views)

    messages = session.run(count, "Nothing was purged")
    confirm(f"Delete about {counted(messages, 'message')} of {', '.join(names)} for good?", "purge", yes=yes)

    async def work(services: Services) -> None:
        for name in names:
            await purge_pool(services, name)
        if result_queue:
            await persist(services.results.purge, BRIEF)

    session.run(work, "Some queues may not be purged: purge again in a minute")
    say(f"purged: {', '.join(names)}{' and the result queue' if result_queue else ''}")
