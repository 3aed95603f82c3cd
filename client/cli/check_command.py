"""Implements ``check``: counts a run's tasks by state, once or until the run is over."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.programs import command
from cloudkon.terminal import say

from ..dead_letters.dead_letters import DeadLetter
from ..follow.run_counts import RunCounts
from ..follow.stranded import missing_text
from ..follow.wait import check as count_once
from ..follow.wait import wait_for
from ..records.runs import find_run
from .session import Session, pass_session
from .view.display import Bar, progress_bar, report_counts
from .view.dlq_format import letter_line
from .view.formatting import counted
from .view.watch_view import SILENCE_SECONDS

SHOWN_LETTERS = 5
"""Dead letters that are listed when they end the waiting."""


@click.command()
@click.argument("run", required=False)
@click.option("--wait", is_flag=True, help="Wait until every task has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@pass_session
def check(session: Session, run: str | None, *, wait: bool, as_json: bool) -> int:
    """Count the tasks of RUN by state; by default of the run pushed last.

    Waiting also ends when all missing tasks have been in dead-letter queues for a minute; the dead letters are listed.

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

    counts = session.run(work, f"The run goes on; wait again with: {command('client check --wait')}")
    return report_counts(counts, as_json=as_json)


async def _count(services: Services, run: Run) -> RunCounts:
    with progress_bar("reading the ledger", run.shards) as bar:
        return await count_once(services, run, on_shard=bar.advance)


async def _wait(services: Services, run: Run) -> RunCounts:
    with progress_bar("waiting", run.count) as bar:
        view = _WaitView(run, bar)
        return await wait_for(services, run, view.show, on_stranded=_list_stranded, on_missing=view.report_missing)


@dataclass(slots=True)
class _WaitView:
    """Moves the progress bar, and reports each trouble of a run once."""

    run: Run
    bar: Bar
    _silent_since: float | None = field(default_factory=time.monotonic)
    _recorded: int = 0
    _loss_reported: bool = False
    _missing_reported: bool = False

    def show(self, counts: RunCounts, ended: int) -> None:
        if counts.ended < self._recorded and not self._loss_reported:
            self._loss_reported = True
            push = command(f"client push --run {self.run.id} WORKLOAD")
            say(f"the ledger has lost results. Run the tasks again with: {push}")
        self._recorded = counts.ended
        failed = f", {counts.failed:,} failed" if counts.failed else ""
        self.bar.show(ended, f"{counts.running:,} running{failed}")
        if ended or counts.running:
            self._silent_since = None
        if self._silent_since is not None and time.monotonic() - self._silent_since > SILENCE_SECONDS:
            self._silent_since = None
            say(f"no task has started yet. Start workers with: {command('fleet scale 1')} (animoto: --pool animoto)")

    def report_missing(self, tasks: int) -> None:
        if not self._missing_reported:
            self._missing_reported = True
            say(missing_text(self.run, tasks))


def _list_stranded(letters: Sequence[DeadLetter]) -> None:
    tasks = sum(len(letter.chunk) for letter in letters if letter.chunk)
    rest = "1 task is" if tasks == 1 else f"{tasks:,} tasks are"
    say(f"stopped waiting: the remaining {rest} in {counted(len(letters), 'dead letter')}, which no worker could take")
    for letter in letters[:SHOWN_LETTERS]:
        say(f"  {letter_line(letter)}")
    if len(letters) > SHOWN_LETTERS:
        say(f"  and {len(letters) - SHOWN_LETTERS:,} more")
    run = letters[0].chunk.key.run if letters[0].chunk else ""
    say(f"Fix the cause, then run: {command(f'client dlq redrive --run {run}')} (or dlq drop --run {run})")
