"""Commands that follow a run: check, results, cancel."""

import json
import time
from functools import partial

import click

from client.backoff import BRIEF, persist
from client.check import check as count_once
from client.check import wait_for
from client.cli.display import progress_bar, say, show_tally, tally_as_json
from client.cli.session import Session, pass_session
from client.results import as_json as result_as_json
from client.results import as_line
from client.results import results as results_of
from client.runs import find_run
from client.tally import Tally
from cloudkon.errors import EXIT_FAILED, EXIT_OK
from cloudkon.ports import Services
from cloudkon.words import Run

SILENCE = 20.0
"""Seconds without any sign of a worker after which waiting says so."""
run_argument = click.argument("run", required=False)


@click.command()
@run_argument
@click.option("--wait", is_flag=True, help="Wait until every task has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@pass_session
def check(session: Session, run: str | None, *, wait: bool, as_json: bool) -> int:
    """Count the tasks of RUN by state; by default of the run pushed last.

    Exits with 0 if every task succeeded, else with 1.
    """

    async def work(services: Services) -> Tally:
        found = await find_run(services.ledger, run, session.pushes)
        return await (_wait(services, found) if wait else count_once(services, found))

    tally = session.run(work, "The run goes on; wait again with: python -m client check --wait")
    if as_json:
        click.echo(json.dumps(tally_as_json(tally)))
    else:
        show_tally(tally)
    if tally.failed:
        say(f"See what failed with: python -m client results {tally.run.id} --failed")
    return EXIT_OK if tally.all_succeeded else EXIT_FAILED


async def _wait(services: Services, run: Run) -> Tally:
    with progress_bar("waiting", run.count) as bar:
        quiet_since: float | None = time.monotonic()

        def show(tally: Tally, ended: int) -> None:
            nonlocal quiet_since
            failed = f", {tally.failed:,} failed" if tally.failed else ""
            bar.show(ended, f"{tally.running:,} running{failed}")
            if ended or tally.running:
                quiet_since = None
            if quiet_since is not None and time.monotonic() - quiet_since > SILENCE:
                quiet_since = None
                say("no task has started yet. Start workers with: python -m fleet scale 1 (animoto: --pool animoto)")

        return await wait_for(services, run, show)


@click.command()
@run_argument
@click.option("--failed", is_flag=True, help="Those of failed tasks only.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@pass_session
def results(session: Session, run: str | None, *, failed: bool, as_json: bool) -> None:
    """Print the results of RUN that there are; by default of the run pushed last."""

    async def work(services: Services) -> None:
        found = await find_run(services.ledger, run, session.pushes)
        async for result in results_of(services.ledger, found, failed_only=failed):
            click.echo(json.dumps(result_as_json(result)) if as_json else as_line(result))

    session.run(work, "The same command prints them anew")


@click.command()
@run_argument
@pass_session
def cancel(session: Session, run: str | None) -> None:
    """Cancel RUN; by default the run pushed last. Tasks that run are stopped, results that are there stay."""

    async def work(services: Services) -> str:
        found = await find_run(services.ledger, run, session.pushes)
        await persist(partial(services.ledger.cancel_run, found.id), BRIEF)
        return found.id

    cancelled = session.run(work, "Whether it is cancelled is not known: cancel it again")
    say(f"run {cancelled} is cancelled; its workers see it within seconds")
