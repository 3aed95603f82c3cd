"""The pull command."""

from pathlib import Path

import click

from client.check import check
from client.cli.display import progress_bar, say
from client.cli.session import Session, pass_session
from client.pull import Pulled
from client.pull import pull as pull_objects
from client.runs import find_run
from client.tally import Tally
from cloudkon.errors import EXIT_FAILED, EXIT_OK
from cloudkon.ports import Services


@click.command()
@click.argument("run", required=False)
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path), default=Path("videos"))
@pass_session
def pull(session: Session, run: str | None, destination: Path) -> int:
    """Fetch the videos of RUN into DESTINATION, each named by its task's number.

    RUN is by default the run pushed last, DESTINATION the folder videos. Every output that begins with an s3://
    address is fetched. Files that are there and whole are left alone.
    """
    with progress_bar("pulling") as bar:

        async def work(services: Services) -> tuple[Pulled, Tally]:
            found = await find_run(services.ledger, run, session.pushes)
            pulled = await pull_objects(services, found, destination, bar.advance)
            return pulled, await check(services, found)

        pulled, tally = session.run(work, "Pull again to go on: what is whole stays")
    return _report(pulled, tally, destination)


def _report(pulled: Pulled, tally: Tally, destination: Path) -> int:
    say(f"{destination}: {pulled.fetched:,} new files, {pulled.present:,} were there")
    if not tally.complete:
        say(f"{tally.run.count - tally.ended:,} tasks of run {tally.run.id} have not ended: pull again later")
    if not pulled.problems:
        return EXIT_OK
    for problem in pulled.problems:
        say(f"error: {problem}")
    return EXIT_FAILED
