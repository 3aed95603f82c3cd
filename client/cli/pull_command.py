"""Implements ``pull``: fetches a run's objects into a folder, with a gallery page if asked for."""

from pathlib import Path

import click
import trio

from cloudkon.errors import EXIT_FAILED, EXIT_OK
from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.terminal import print_line, say

from ..follow.run_counts import RunCounts
from ..follow.wait import check
from ..records.runs import find_run
from ..results.gallery import gather, keep_page
from ..results.pull import Pulled
from ..results.pull import pull as pull_objects
from .session import Session, pass_session
from .view.display import progress_bar, report_faults
from .view.formatting import counted


@click.command()
@click.argument("run", required=False)
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path), default=Path("videos"))
@click.option(
    "--gallery", is_flag=True, help="Fetch posters too, write a page that shows everything, and print its path."
)
@pass_session
def pull(session: Session, run: str | None, destination: Path, *, gallery: bool) -> int:
    """Fetch the videos of RUN into DESTINATION, each named by its task's number.

    RUN is by default the run pushed last, DESTINATION the folder videos. The objects of every output that begins with
    an s3:// address are fetched. Complete files are not fetched again.

    \b
    Examples:
      python -m client pull
      python -m client pull --gallery 3752369e039 holidays
    """  # noqa: D301  (click's mark for text that keeps its lines)
    with progress_bar("pulling") as bar:

        async def work(services: Services) -> tuple[Pulled, RunCounts, Path | None]:
            found = await find_run(services.ledger, run, session.pushes)
            pulled = await pull_objects(services, found, destination, bar.advance, posters=gallery)
            page = await _write_gallery(services, found, destination) if gallery else None
            return pulled, await check(services, found), page

        pulled, counts, page = session.run(work, "Pull again to continue: complete files stay")
    code = _report(pulled, counts, destination)
    if page is not None:
        print_line(page)
    return code


async def _write_gallery(services: Services, run: Run, destination: Path) -> Path:
    from .view.gallery_page import page  # noqa: PLC0415  (the import reads a style sheet, which few pulls need)

    gathered = await gather(services, run, destination)
    return await trio.to_thread.run_sync(keep_page, destination, gathered, page(gathered))


def _report(pulled: Pulled, counts: RunCounts, destination: Path) -> int:
    say(f"{destination}: {counted(pulled.fetched, 'new file')}, {pulled.present:,} already there")
    if pulled.note:
        say(pulled.note)
    if left := counts.waiting + counts.running:
        say(f"not ended yet: {counted(left, 'task')} of run {counts.run.id}. Pull again later")
    report_faults(counts.faults)
    for problem in pulled.problems:
        say(f"error: {problem}")
    return EXIT_FAILED if pulled.problems or counts.unknown else EXIT_OK
