"""Implements ``failures``: groups a run's failed tasks by their errors."""

from contextlib import suppress

import click

from cloudkon.errors import EXIT_FAILED, EXIT_OK, CloudKonError
from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.printable import printable
from cloudkon.programs import command
from cloudkon.terminal import print_json, print_lines, say

from ..records.archive import kept_instructions
from ..records.run_records import ItemFaults
from ..records.runs import find_run
from ..results.failures import FailureKind, Failures
from ..results.results import results
from .session import Session, pass_session
from .view.display import report_faults
from .view.formatting import counted

Examples = dict[int, str]
"""Instructions by task number."""


@click.command()
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each kind of error.")
@pass_session
def failures(session: Session, run: str | None, *, as_json: bool) -> int:
    """Count the failed tasks of RUN by kind of error, with an example of each; by default of the run pushed last.

    Errors that differ only in numbers, ids, links and paths are of one kind. Exits with 0 if no task failed, else
    with 1.

    \b
    Examples:
      python -m client failures
      python -m client failures 3752369e039 --json | jq -r .task
    """  # noqa: D301  (click's mark for text that keeps its lines)

    async def work(services: Services) -> tuple[Run, Failures, ItemFaults, int, Examples]:
        found = await find_run(services.ledger, run, session.pushes)
        failures, faults, ended = Failures(), ItemFaults(), 0
        async for result in results(services.ledger, found, faults):
            failures.add(result)
            ended += 1
        return found, failures, faults, ended, await _instructions(services, found, failures)

    found, failures, faults, ended, examples = session.run(work, "Run the same command again")
    for kind in failures.kinds():
        instruction = examples.get(kind.example.task.seq, "")
        if as_json:
            print_json(_kind_json(kind, instruction))
        else:
            print_lines(_kind_text(kind, instruction))
    report_faults(faults)
    if left := found.count - ended - faults.unknown:
        say(f"not ended yet: {counted(left, 'task')} of run {found.id}")
    if not failures.count:
        say(f"no task of run {found.id} failed{' so far' if ended < found.count else ''}")
        return EXIT_FAILED if faults.unknown else EXIT_OK
    say(f"{counted(failures.count, 'task')} failed. Run them again with: {command(f'client retry {found.id}')}")
    return EXIT_FAILED


async def _instructions(services: Services, run: Run, failures: Failures) -> Examples:
    if not failures.count:
        return {}
    # Errors are shown without their instructions too.
    with suppress(CloudKonError):
        async with kept_instructions(services.store, run) as instructions:
            return instructions.some([kind.example.task.seq for kind in failures.kinds()])
    return {}


def _kind_text(kind: FailureKind, instruction: str) -> str:
    example = kind.example
    lines = [
        f"{counted(kind.count, 'task')}: {printable(kind.pattern)}",
        f"  task {example.task}, attempt {example.attempts}, worker {printable(example.worker) or '-'}",
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
