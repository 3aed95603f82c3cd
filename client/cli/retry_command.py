"""Implements ``retry``: pushes a run's failed tasks again, as a new run."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace

import click

from cloudkon.errors import EXIT_FAILED, EXIT_OK, InvalidInput
from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.terminal import say

from ..follow.wait import check
from ..push.staged_workload import stage_workload
from ..records.runs import find_run
from ..results.retry import Choice, write_chosen
from ..results.retry import failed as failed_ones
from ..results.retry import lost as lost_ones
from .session import Session, pass_session
from .view.display import report_faults
from .view.formatting import counted
from .view.push_progress import push_with_progress, report_push


@click.command()
@click.argument("run", required=False)
@click.option("--failed", is_flag=True, help="All failed tasks; this is the default.")
@click.option("--lost", is_flag=True, help="Only those whose workers died while they ran.")
@click.option("--chunk", type=int, help="Tasks a message.  [default: as RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print what was pushed as JSON.")
@pass_session
def retry(session: Session, run: str | None, chunk: int | None, *, failed: bool, lost: bool, as_json: bool) -> int:
    """Push the failed tasks of RUN again, as a new run whose parent is RUN; print the new run's id.

    RUN is by default the run pushed last. Its own results don't change. Exits with 1 if the state of some tasks is
    unknown: they are not pushed.

    \b
    Examples:
      python -m client retry
      python -m client retry --lost
      python -m client retry 3752369e039 --chunk 1
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if failed and lost:
        raise InvalidInput("--failed --lost", "these options exclude each other", "Give one of them")
    choice: Choice = lost_ones if lost else failed_ones
    with tempfile.TemporaryFile() as workload:

        async def choose(services: Services) -> tuple[Run, Sequence[int], int]:
            found = await find_run(services.ledger, run, session.pushes)
            counts = await check(services, found)
            if left := counts.waiting + counts.running:
                say(f"warning: not ended yet: {counted(left, 'task')} of run {found.id}")
            report_faults(counts.faults)
            return found, await write_chosen(services, found, choice, workload), counts.unknown

        parent, numbers, unknown = session.run(choose, "Run the same command again to continue where it stopped")
        workload.seek(0)
        with stage_workload(
            workload,
            f"failed tasks of run {parent.id}",
            session.settings.state_dir,
            chunk_size=parent.chunk_size if chunk is None else chunk,
            handlers=session.settings.handlers,
            parent=parent.id,
            parent_numbers=numbers,
        ) as staged:
            pushed = push_with_progress(session, replace(staged, priority=parent.priority))
    report_push(pushed, as_json=as_json)
    return EXIT_FAILED if unknown else EXIT_OK
