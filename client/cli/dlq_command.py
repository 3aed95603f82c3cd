"""The ``dlq`` commands: list, show, redrive and drop dead letters."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

import click

from cloudkon.errors import InvalidInput
from cloudkon.ports import Services
from cloudkon.programs import command
from cloudkon.terminal import print_json, print_line, say

from ..dead_letters.dead_letters import Cleared, LetterFilter, LetterList, drop, list_dead_letters, redrive
from .confirmation import confirm, yes_option
from .pool_option import POOL_NAMES, pool_option
from .session import Session, pass_session
from .view.display import progress_bar
from .view.dlq_format import letter_json, letter_line
from .view.formatting import counted

run_option = click.option("--run", "run_id", default="", metavar="RUN", help="Only this run's.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")


@click.group()
def dlq() -> None:
    """List, redrive or drop dead letters: messages that no worker could process. Each is compared with the ledger.

    \b
    Examples:
      python -m client dlq list
      python -m client dlq redrive --pool worker
      python -m client dlq drop 5f2c81aa --yes
    """  # noqa: D301  (click's mark for text that keeps its lines)


@dlq.command("list", short_help="List dead letters with their reasons.")
@pool_option
@run_option
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The largest number to list.")
@json_option
@pass_session
def list_letters(session: Session, pools: tuple[str, ...], run_id: str, limit: int, *, as_json: bool) -> None:
    """List dead letters, each with the reason and its chunk's state in the ledger.

    done: every task has its result, so the letter is no longer needed; claimed: a worker has claimed the chunk, now or
    before; open: no worker has claimed it yet; unreadable: this version can't read the message.

    \b
    Examples:
      python -m client dlq list
      python -m client dlq list --run 3752369e039 --json | jq -r .reason
    """  # noqa: D301  (click's mark for text that keeps its lines)
    found = _list(session, LetterFilter(pools or POOL_NAMES, run_id), limit)
    for letter in found.letters:
        if as_json:
            print_json(letter_json(letter))
        else:
            print_line(letter_line(letter))
    if not found.letters:
        say("no dead letters")
    elif found.more:
        say("more dead letters exist: list them with a higher --limit")


@dlq.command("show", short_help="Print a whole dead letter.")
@click.argument("message", metavar="ID")
@pass_session
def show_letter(session: Session, message: str) -> None:
    """Print the whole dead letter whose id begins with ID, as JSON.

    \b
    Examples:
      python -m client dlq show 5f2c81aa
      python -m client dlq show 5f2c81aa | jq -r .body | jq .tasks
    """  # noqa: D301  (click's mark for text that keeps its lines)
    found = _list(session, LetterFilter(POOL_NAMES, ids=(message,)), 1)
    if not found.letters:
        raise InvalidInput(
            f"dead letter {message!r:.60}", "no id begins with this", f"See: {command('client dlq list')}"
        )
    letter = found.letters[0]
    print_json(letter_json(letter) | {"body": letter.delivery.body}, indent=2, ascii_only=False)


@dlq.command("redrive", short_help="Send dead letters to their queues again.")
@click.argument("messages", nargs=-1, metavar="[ID]...")
@pool_option
@run_option
@json_option
@pass_session
def redrive_letters(
    session: Session, messages: tuple[str, ...], pools: tuple[str, ...], run_id: str, *, as_json: bool
) -> None:
    """Send dead letters to their queues again: those with the given IDs, or all.

    Letters whose chunks are done in the ledger are dropped instead. Unreadable ones stay.

    \b
    Examples:
      python -m client dlq redrive
      python -m client dlq redrive --run 3752369e039
      python -m client dlq redrive 5f2c81aa 0d91e4c2
    """  # noqa: D301  (click's mark for text that keeps its lines)
    wanted = LetterFilter(pools or POOL_NAMES, run_id, messages)
    cleared = _clear(session, "redriving", lambda services, on_letters: redrive(services, wanted, on_letters))
    if as_json:
        print_json(asdict(cleared))
        return
    say(f"{cleared.redriven:,} sent again, {cleared.dropped:,} dropped because all their tasks are done")
    if cleared.returned:
        say(f"{cleared.returned:,} came back at once: no worker can run them yet. See: {command('client dlq list')}")
    if cleared.unreadable:
        say(f"{cleared.unreadable:,} unreadable ones stay. Drop one with: {command('client dlq drop ID')}")


@dlq.command("drop", short_help="Delete dead letters for good.")
@click.argument("messages", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
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
    """Delete dead letters for good: those with the given IDs, those of a run, or all. Asks for confirmation.

    \b
    Examples:
      python -m client dlq drop 5f2c81aa
      python -m client dlq drop --run 3752369e039
      python -m client dlq drop --all --yes
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if not (messages or everything or run_id):
        raise InvalidInput("dlq drop", "no letters are selected", "Give ids, --run RUN, or --all")
    if messages:
        what = counted(len(messages), "dead letter")
    else:
        what = f"the dead letters of run {run_id}" if run_id else "all dead letters"
    confirm(f"Delete {what} for good? Tasks in them that have no result will never get one.", "dlq drop", yes=yes)
    wanted = LetterFilter(pools or POOL_NAMES, run_id, messages)
    cleared = _clear(session, "dropping", lambda services, on_letters: drop(services, wanted, on_letters))
    say(f"{counted(cleared.dropped, 'dead letter')} dropped")


def _list(session: Session, wanted: LetterFilter, limit: int) -> LetterList:
    hidden = "The letters that were read are visible again in 2 minutes"
    return session.run(lambda services: list_dead_letters(services, wanted, limit), hidden)


def _clear(
    session: Session, action: str, clear: Callable[[Services, Callable[[int], None]], Awaitable[Cleared]]
) -> Cleared:
    with progress_bar(action) as bar:
        return session.run(lambda services: clear(services, bar.advance), "Run the same command again to continue")
