"""Commands for tasks that failed: failures, retry."""

import json
import tempfile
from contextlib import suppress
from dataclasses import replace

import click

from cloudkon.errors import EXIT_FAILED, EXIT_OK, CloudKonError, InvalidInput
from cloudkon.model import Run
from cloudkon.ports import Services

from ..follow.wait import check
from ..push.staged_workload import stage_workload
from ..records.archive import kept_instructions
from ..records.runs import find_run
from ..results.failures import FailureKind, Failures
from ..results.results import printable, results
from ..results.retry import Choice, write_chosen
from ..results.retry import failed as failed_ones
from ..results.retry import lost as lost_ones
from .display import say
from .formatting import counted
from .push_progress import push_with_progress, report_push
from .session import Session, pass_session

Examples = dict[int, str]
GO_ON = "The same command goes on where it stopped"


@click.command()
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a kind of error.")
@pass_session
def failures(session: Session, run: str | None, *, as_json: bool) -> int:
    """Count the failed tasks of RUN by what their errors say, with an example of each; by default of the run pushed
    last.

    Errors that differ in numbers, ids, links and paths only are of one kind. Exits with 0 if no task failed, else
    with 1.

    \b
    Examples:
      python -m client failures
      python -m client failures 3752369e039 --json | jq -r .task
    """  # noqa: D205, D301  (click joins the first lines, and keeps those below its mark)

    async def work(services: Services) -> tuple[Run, Failures, int, Examples]:
        found = await find_run(services.ledger, run, session.pushes)
        failures, ended = Failures(), 0
        async for result in results(services.ledger, found):
            failures.add(result)
            ended += 1
        return found, failures, ended, await _instructions(services, found, failures)

    found, failures, ended, examples = session.run(work, "The same command counts anew")
    for kind in failures.kinds():
        instruction = examples.get(kind.example.task.seq, "")
        click.echo(json.dumps(_kind_json(kind, instruction)) if as_json else _kind_text(kind, instruction))
    if ended < found.count:
        say(f"not ended yet: {counted(found.count - ended, 'task')} of run {found.id}")
    if not failures.count:
        say(f"no task of run {found.id} failed{' so far' if ended < found.count else ''}")
        return EXIT_OK
    say(f"{counted(failures.count, 'task')} failed. Run them again with: python -m client retry {found.id}")
    return EXIT_FAILED


async def _instructions(services: Services, run: Run, failures: Failures) -> Examples:
    if not failures.count:
        return {}
    # Errors are worth showing without them.
    with suppress(CloudKonError):
        async with kept_instructions(services.store, run) as instructions:
            return instructions.some([kind.example.task.seq for kind in failures.kinds()])
    return {}


def _kind_text(kind: FailureKind, instruction: str) -> str:
    example = kind.example
    lines = [
        f"{counted(kind.count, 'task')}: {printable(kind.pattern)}",
        f"  task {example.task}, attempt {example.attempts}, worker {example.worker or '-'}",
        f"  {printable(example.error)}",
    ]
    return "\n".join([*lines, *([f"  {printable(instruction)}"] if instruction else [])])


def _kind_json(kind: FailureKind, instruction: str) -> dict[str, object]:
    example = kind.example
    return {
        "count": kind.count,
        "kind": kind.pattern,
        "task": str(example.task),
        "error": example.error,
        "instruction": instruction or None,
        "attempts": example.attempts,
        "worker": example.worker,
    }


@click.command()
@click.argument("run", required=False)
@click.option("--failed", is_flag=True, help="All failed tasks; this is the default.")
@click.option("--lost", is_flag=True, help="Only those whose workers died while they ran.")
@click.option("--chunk", type=int, help="Tasks a message.  [default: that of RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print what was pushed as JSON.")
@pass_session
def retry(session: Session, run: str | None, chunk: int | None, *, failed: bool, lost: bool, as_json: bool) -> None:
    """Push the failed tasks of RUN again, as a new run that names it as its parent; prints the new run's id.

    RUN is by default the run pushed last. Its own results stay as they are recorded.

    \b
    Examples:
      python -m client retry
      python -m client retry --lost
      python -m client retry 3752369e039 --chunk 1
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if failed and lost:
        raise InvalidInput("--failed --lost", "they contradict one another", "Give one of them")
    choice: Choice = lost_ones if lost else failed_ones
    with tempfile.TemporaryFile() as workload:

        async def choose(services: Services) -> Run:
            found = await find_run(services.ledger, run, session.pushes)
            tally = await check(services, found)
            if not tally.complete:
                say(f"warning: {counted(found.count - tally.ended, 'task')} of run {found.id} have not ended yet")
            await write_chosen(services, found, choice, workload)
            return found

        parent = session.run(choose, GO_ON)
        workload.seek(0)
        with stage_workload(
            workload,
            f"failed tasks of run {parent.id}",
            session.settings.state_dir,
            chunk_size=parent.chunk_size if chunk is None else chunk,
            handlers=session.settings.handlers,
            parent=parent.id,
        ) as staged:
            pushed = push_with_progress(session, replace(staged, priority=parent.priority))
    report_push(pushed, as_json=as_json)
