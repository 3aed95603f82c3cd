"""Commands that follow a run to its end: check, cancel."""

import time

import click

from cloudkon.model import Run
from cloudkon.ports import Services

from ..dead_letters.dead_letters import DeadLetter
from ..follow.run_counts import RunCounts
from ..follow.stranded import missing
from ..follow.wait import check as count_once
from ..follow.wait import wait_for
from ..records.runs import cancel as cancel_run
from ..records.runs import find_run
from .display import progress_bar, report_counts, say
from .dlq_format import letter_line
from .formatting import counted
from .session import Session, pass_session
from .watch_view import SILENCE

SHOWN_LETTERS = 5
"""Dead letters that waiting names when it gives up."""
run_argument = click.argument("run", required=False)


@click.command()
@run_argument
@click.option("--wait", is_flag=True, help="Wait until every task has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@pass_session
def check(session: Session, run: str | None, *, wait: bool, as_json: bool) -> int:
    """Count the tasks of RUN by state; by default of the run pushed last.

    Waiting ends too when all that is missing has been dead letters for a minute, and names them.

    Exits with 0 if every task succeeded, else with 1.

    \b
    Examples:
      python -m client check
      python -m client check --wait && python -m client pull
      python -m client check 3752369e039 --json | jq .failed
    """  # noqa: D301  (click's mark for text that keeps its lines)

    async def work(services: Services) -> RunCounts:
        found = await find_run(services.ledger, run, session.pushes)
        return await (_wait(services, found) if wait else _count(services, found))

    tally = session.run(work, "The run goes on; wait again with: python -m client check --wait")
    return report_counts(tally, as_json=as_json)


async def _count(services: Services, run: Run) -> RunCounts:
    with progress_bar("reading the ledger", run.shards) as bar:
        return await count_once(services, run, on_shard=bar.advance)


async def _wait(services: Services, run: Run) -> RunCounts:
    with progress_bar("waiting", run.count) as bar:
        quiet_since: float | None = time.monotonic()
        recorded, lost, told = 0, False, False

        def show(tally: RunCounts, ended: int) -> None:
            nonlocal quiet_since, recorded, lost
            if tally.ended < recorded and not lost:
                lost = True
                say(f"the ledger has lost results. Do it again with: python -m client push --run {run.id} WORKLOAD")
            recorded = tally.ended
            failed = f", {tally.failed:,} failed" if tally.failed else ""
            bar.show(ended, f"{tally.running:,} running{failed}")
            if ended or tally.running:
                quiet_since = None
            if quiet_since is not None and time.monotonic() - quiet_since > SILENCE:
                quiet_since = None
                say("no task has started yet. Start workers with: python -m fleet scale 1 (animoto: --pool animoto)")

        def say_missing(tasks: int) -> None:
            nonlocal told
            if not told:
                told = True
                say(missing(run, tasks))

        return await wait_for(services, run, show, on_stranded=_name_stranded, on_missing=say_missing)


def _name_stranded(letters: list[DeadLetter]) -> None:
    tasks = counted(sum(len(letter.chunk) for letter in letters if letter.chunk), "task")
    say(f"waiting is of no use: {tasks} left are in {counted(len(letters), 'dead letter')}, which no worker took")
    for letter in letters[:SHOWN_LETTERS]:
        say(f"  {letter_line(letter)}")
    if len(letters) > SHOWN_LETTERS:
        say(f"  and {len(letters) - SHOWN_LETTERS:,} more")
    run = letters[0].chunk.key.run if letters[0].chunk else ""
    say(f"Mend the cause, then: python -m client dlq redrive --run {run} (or dlq drop --run {run})")


@click.command()
@run_argument
@pass_session
def cancel(session: Session, run: str | None) -> None:
    """Cancel RUN; by default the run pushed last. Tasks that run are stopped, results that are there stay.

    \b
    Examples:
      python -m client cancel
      python -m client cancel 3752369e039
    """  # noqa: D301  (click's mark for text that keeps its lines)

    async def work(services: Services) -> str:
        found = await find_run(services.ledger, run, session.pushes)
        await cancel_run(services.ledger, found)
        return found.id

    cancelled = session.run(work, "Whether it is cancelled is not known: cancel it again")
    say(f"run {cancelled} is cancelled; its workers see it within seconds")
