"""Commands that clear queues: dlq, purge."""

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict

import click

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput
from cloudkon.model import POOLS
from cloudkon.ports import Services

from ..dead_letters.dead_letters import Choice, Cleared, Listed, drop, listed, redrive
from ..dead_letters.purge import purge_pool
from ..follow.overview import pools as pool_views
from .display import progress_bar, say
from .dlq_format import letter_json, letter_line
from .formatting import counted
from .session import Session, pass_session

POOL_NAMES = [pool.name for pool in POOLS]
pool_option = click.option(
    "--pool", "pools", multiple=True, type=click.Choice(POOL_NAMES), help="Of this pool; by default of all."
)
run_option = click.option("--run", "run_id", default="", metavar="RUN", help="Of this run only.")
yes_option = click.option("--yes", is_flag=True, help="Don't ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")


@click.group()
def dlq() -> None:
    """Look through dead letters: messages that no worker could take. Each is compared with the ledger.

    \b
    Examples:
      python -m client dlq list
      python -m client dlq redrive --pool worker
      python -m client dlq drop 5f2c81aa --yes
    """  # noqa: D301  (click's mark for text that keeps its lines)


@dlq.command("list", short_help="List them, each with the reason.")
@pool_option
@run_option
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at the most.")
@json_option
@pass_session
def list_letters(session: Session, pools: tuple[str, ...], run_id: str, limit: int, *, as_json: bool) -> None:
    """List dead letters, each with the reason, and what the ledger says of its chunk.

    done: every task has its result, and the letter is of no use any more; claimed: a worker has it or had it; open:
    nobody claimed it yet; unreadable: it is no message of this version.

    \b
    Examples:
      python -m client dlq list
      python -m client dlq list --run 3752369e039 --json | jq -r .reason
    """  # noqa: D301  (click's mark for text that keeps its lines)
    choice = Choice(pools or POOL_NAMES, run_id)
    found = _look(session, choice, limit)
    for letter in found.letters:
        click.echo(json.dumps(letter_json(letter)) if as_json else letter_line(letter))
    if not found.letters:
        say("there are no dead letters")
    elif found.more:
        say("there are more: see them with a higher --limit")


@dlq.command("show", short_help="Print one whole.")
@click.argument("message", metavar="ID")
@pass_session
def show_letter(session: Session, message: str) -> None:
    """Print the dead letter whose id begins with ID, whole, as JSON.

    \b
    Examples:
      python -m client dlq show 5f2c81aa
      python -m client dlq show 5f2c81aa | jq -r .body | jq .tasks
    """  # noqa: D301  (click's mark for text that keeps its lines)
    found = _look(session, Choice(POOL_NAMES, ids=(message,)), 1)
    if not found.letters:
        raise _unknown(message)
    letter = found.letters[0]
    click.echo(json.dumps(letter_json(letter) | {"body": letter.delivery.body}, indent=2, ensure_ascii=False))


@dlq.command("redrive", short_help="Send them to their queues again.")
@click.argument("messages", nargs=-1, metavar="[ID]...")
@pool_option
@run_option
@json_option
@pass_session
def redrive_letters(
    session: Session, messages: tuple[str, ...], pools: tuple[str, ...], run_id: str, *, as_json: bool
) -> None:
    """Send dead letters to their queues again: those of the IDs, or all.

    Those whose chunks are done by the ledger are dropped instead, and unreadable ones stay.

    \b
    Examples:
      python -m client dlq redrive
      python -m client dlq redrive --run 3752369e039
      python -m client dlq redrive 5f2c81aa 0d91e4c2
    """  # noqa: D301  (click's mark for text that keeps its lines)
    choice = Choice(pools or POOL_NAMES, run_id, messages)
    cleared = _clear(session, "redriving", lambda services, on: redrive(services, choice, on))
    if as_json:
        click.echo(json.dumps(asdict(cleared)))
        return
    say(f"{cleared.redriven:,} sent again, {cleared.dropped:,} dropped whose tasks are all done")
    if cleared.returned:
        say(f"{cleared.returned:,} came back at once: no worker takes them yet. See: python -m client dlq list")
    if cleared.unreadable:
        say(f"{cleared.unreadable:,} unreadable ones stay. Drop one with: python -m client dlq drop ID")


@dlq.command("drop", short_help="Delete them for good.")
@click.argument("messages", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@pool_option
@run_option
@yes_option
@pass_session
def drop_letters(
    session: Session,
    messages: tuple[str, ...],
    pools: tuple[str, ...],
    run_id: str,
    *,
    everything: bool,
    yes: bool,
) -> None:
    """Delete dead letters for good: those of the IDs, of a run, or all. Asks before it does.

    \b
    Examples:
      python -m client dlq drop 5f2c81aa
      python -m client dlq drop --run 3752369e039
      python -m client dlq drop --all --yes
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if not (messages or everything or run_id):
        raise InvalidInput("dlq drop", "nothing says which ones", "Give ids, --run RUN, or --all")
    what = counted(len(messages), "dead letter") if messages else "all dead letters" if not run_id else "its letters"
    _ask(f"Delete {what} for good? Tasks in them that have no result will never get one.", "dlq drop", yes=yes)
    choice = Choice(pools or POOL_NAMES, run_id, messages)
    cleared = _clear(session, "dropping", lambda services, on: drop(services, choice, on))
    say(f"{counted(cleared.dropped, 'dead letter')} dropped")


@click.command()
@pool_option
@click.option("--results", "result_queue", is_flag=True, help="The result queue too; the ledger keeps the results.")
@yes_option
@pass_session
def purge(session: Session, pools: tuple[str, ...], *, result_queue: bool, yes: bool) -> None:
    """Empty the queues of the pools, of whatever runs. Asks before it does.

    The tasks stay in the ledger's counts as waiting; push --run RUN sends a run's messages again. To end a run, cancel
    it instead. SQS takes up to a minute over it, and lets one be purged once a minute.

    \b
    Examples:
      python -m client purge
      python -m client purge --pool worker --results --yes
    """  # noqa: D301  (click's mark for text that keeps its lines)
    names = pools or tuple(POOL_NAMES)

    async def count(services: Services) -> int:
        views = [view for view in await pool_views(services) if view.pool in names]
        return sum(view.backlog.visible + view.backlog.in_flight + view.backlog.delayed for view in views)

    messages = session.run(count, "Nothing was purged")
    _ask(f"Delete about {counted(messages, 'message')} of {', '.join(names)} for good?", "purge", yes=yes)

    async def work(services: Services) -> None:
        for name in names:
            await purge_pool(services, name)
        if result_queue:
            await persist(services.results.purge, BRIEF)

    session.run(work, "Whether all is purged is not known: purge again in a minute")
    say(f"purged: {', '.join(names)}{' and the result queue' if result_queue else ''}")


def _look(session: Session, choice: Choice, limit: int) -> Listed:
    return session.run(lambda services: listed(services, choice, limit), "What was looked at shows again in 2 minutes")


def _clear(
    session: Session, doing: str, how: Callable[[Services, Callable[[int], None]], Awaitable[Cleared]]
) -> Cleared:
    with progress_bar(doing) as bar:
        return session.run(lambda services: how(services, bar.advance), "The same command goes on with the others")


def _ask(question: str, command: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(command, "nobody is there to ask", "Give --yes")
    if not click.confirm(question, err=True):
        raise InvalidInput(command, "nothing was done")


def _unknown(message: str) -> InvalidInput:
    return InvalidInput(
        f"dead letter {message!r:.60}", "there is none whose id begins so", "See: python -m client dlq list"
    )
