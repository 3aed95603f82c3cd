"""The ``push`` command."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import click

from cloudkon.errors import InvalidInput, InvalidWorkload
from cloudkon.model import Priority, Run
from cloudkon.terminal import say
from cloudkon.wire.message import MOST_TASKS

from ..push.chunking import AUTO, auto_chunk_size, observed_in_last_run
from ..push.durations import Durations, parse_duration
from ..push.staged_workload import StagedWorkload, stage_workload
from ..push.template import Template
from ..push.workload import choose_workload
from ..records.archive import InstructionsMissing, fetch_instructions
from ..records.runs import LostRun, find_run
from .session import Session, pass_session
from .view.display import progress_bar
from .view.push_plan import show_plan
from .view.push_progress import HOW_TO_RESUME, push_with_progress, report_push

GZIP = b"\x1f\x8b"
"""The first bytes of a gzip file."""


@click.command()
@click.argument("workload", required=False)
@click.option("--chunk", metavar="N|auto", help="Tasks per message; auto aims at 100-500 ms of work.  [default: 1]")
@click.option("--duration", help="How long a task takes, for --chunk auto: 20ms, 1.5s, 2min.")
@click.option("--set", "sets", multiple=True, metavar="NAME=FILE", help="A CSV file for {NAME.COLUMN} in lines.")
@click.option(
    "--priority",
    type=click.Choice([str(one) for one in Priority]),
    help="Messages of priority high are received before normal ones.  [default: normal]",
)
@click.option("--dry-run", is_flag=True, help="Check everything, and print what would be sent and what it would cost.")
@click.option("--run", "run_id", help="Send an existing run's messages again, for queues that lost them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was pushed as JSON.")
@pass_session
def push(  # noqa: PLR0913  (one argument per option)
    session: Session,
    workload: str | None,
    chunk: str | None,
    duration: str | None,
    sets: tuple[str, ...],
    run_id: str | None,
    priority: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Push WORKLOAD as a new run, and print the run's id.

    WORKLOAD is a file with one instruction per line. The default is workload.txt; - reads standard input. Both may be
    compressed with gzip. Empty lines and lines that begin with # are ignored. {1..100} in a line expands it to a
    hundred lines; {jobs.size} with --set jobs=jobs.csv expands it to one line per row of the file. Every line is
    checked before any is sent. To resume a push that was interrupted, push the same workload again. With --run and
    without WORKLOAD, the run's instructions are read from the fleet's store.

    --chunk auto takes a task's duration from the instruction itself (sleep), from --duration, from comments like
    "# duration 20ms" for the lines below them, or else from the results of the run pushed last.

    \b
    Examples:
      python -m client push --chunk auto
      python -m client push jobs.txt --set jobs=jobs.csv --dry-run
      seq 1000 | sed 's/^/sleep /' | python -m client push -
    """  # noqa: D301  (click's mark for text that keeps its lines)
    durations = Durations(None if duration is None else parse_duration(duration))
    template = Template.of(sets)
    chunk_size = _parse_chunk_size(chunk)
    existing = _find_existing(session, run_id, None if chunk is None else chunk_size, priority)
    settings = session.settings
    with ExitStack() as stack:
        stream, name = stack.enter_context(_open_source(session, workload, existing))
        from_store = name == _name_in_store(existing)
        with progress_bar("checking") as bar:
            checked = stack.enter_context(
                stage_workload(
                    stream,
                    name,
                    settings.state_dir,
                    chunk_size=existing.chunk_size if existing else chunk_size or 1,
                    handlers=settings.handlers,
                    # The instructions in the store are already expanded.
                    template=None if from_store else template,
                    durations=durations,
                    on_instructions=bar.advance,
                )
            )
        staged = _with_run_facts(checked, existing, priority, from_store=from_store)
        if not existing and chunk_size is None:
            staged = staged.in_chunks(_auto_chunk_size(session, staged, durations))
        if dry_run:
            show_plan(staged, durations, as_json=as_json)
            return
        pushed = push_with_progress(session, staged, existing)
    report_push(pushed, as_json=as_json)


def _with_run_facts(
    staged: StagedWorkload, existing: Run | None, priority: str | None, *, from_store: bool
) -> StagedWorkload:
    """The workload with the priority, parent and digest of its run: of the existing run, or of a new one."""
    if existing is None:
        return replace(staged, priority=Priority(priority or Priority.NORMAL))
    # The store's copy is in the order of the tasks' numbers, but the digest is of the file's order.
    digest = existing.digest if from_store else staged.digest
    return replace(
        staged,
        digest=digest,
        parent=existing.parent,
        parent_tasks=existing.parent_tasks,
        priority=existing.priority,
    )


def _parse_chunk_size(given: str | None) -> int | None:
    """The size, or ``None`` for auto."""
    if given is None:
        return 1
    if given == AUTO:
        return None
    try:
        size = int(given)
    except ValueError:
        size = 0
    if not 1 <= size <= MOST_TASKS:
        raise InvalidInput(f"--chunk {given:.20}", f"a chunk holds 1 to {MOST_TASKS:,} tasks", "Give a number, or auto")
    return size


def _auto_chunk_size(session: Session, staged: StagedWorkload, durations: Durations) -> int:
    def observe() -> dict[str, float]:
        return session.run(lambda services: observed_in_last_run(services, session.pushes, durations), HOW_TO_RESUME)

    size = auto_chunk_size(staged, durations, session.pushes, observe)
    if durations.unknown and not session.pushes.unfinished(staged.record_name):
        words = ", ".join(sorted(durations.unknown)[:3])
        say(f"warning: the duration of {words} tasks is unknown, so chunks hold 1 task. Give it with: --duration 20ms")
    return size


def _name_in_store(existing: Run | None) -> str:
    """What errors call the instructions of an existing run that the store keeps."""
    return f"instructions of run {existing.id}" if existing else ""


@contextmanager
def _open_source(session: Session, given: str | None, existing: Run | None) -> Iterator[tuple[IO[bytes], str]]:
    """Open the given workload or, if none is given, the store's copy of the existing run's instructions."""
    with ExitStack() as stack:
        if existing and given is None:
            folder = stack.enter_context(TemporaryDirectory(prefix="cloudkon-"))
            path = Path(folder, "instructions.gz")
            with suppress(InstructionsMissing):
                session.run(lambda services: fetch_instructions(services.store, existing, path), HOW_TO_RESUME)
            if path.exists():
                yield stack.enter_context(BufferedReader(gzip.GzipFile(path))), _name_in_store(existing)
                return
        yield stack.enter_context(_open_workload(given))


@contextmanager
def _open_workload(given: str | None) -> Iterator[tuple[IO[bytes], str]]:
    with ExitStack() as stack:
        path = None if given == "-" else choose_workload(given)
        name = str(path) if path else "standard input"
        stream: IO[bytes] = stack.enter_context(path.open("rb")) if path else sys.stdin.buffer
        if isinstance(stream, BufferedReader) and stream.peek(2)[:2] == GZIP:
            stream = stack.enter_context(BufferedReader(gzip.GzipFile(fileobj=stream)))
        try:
            yield stream, name
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidWorkload(name, f"the gzip file is damaged: {error}") from None


def _find_existing(session: Session, run_id: str | None, chunk_size: int | None, priority: str | None) -> Run | None:
    """The run of ``--run``; options that contradict it are refused."""
    if run_id is None:
        return None
    try:
        run = session.run(lambda services: find_run(services.ledger, run_id, session.pushes), HOW_TO_RESUME)
    except LostRun as error:
        run = error.run
        say(f"warning: {error.subject}: {error.reason}. All its tasks are sent again and run again")
    if chunk_size not in (None, run.chunk_size):
        raise InvalidInput(f"--chunk {chunk_size}", f"run {run.id} has chunks of {run.chunk_size}", "Leave it out")
    if priority not in (None, run.priority):
        raise InvalidInput(f"--priority {priority}", f"run {run.id} has priority {run.priority}", "Leave it out")
    return run
