"""The push command."""

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import click

from cloudkon.errors import InvalidInput, InvalidWorkload
from cloudkon.model import Priority, Run
from cloudkon.ports import Services
from cloudkon.wire.message import MOST_TASKS

from ..push.capacity_check import crowding, on_embedded_emulator
from ..push.chunking import AUTO, auto_chunk_size, observed_in_last_run
from ..push.durations import Durations, parse_duration
from ..push.push import Pushed, PushEvents, push_again
from ..push.push import push as push_new
from ..push.staged_workload import StagedWorkload, stage_workload
from ..push.template import Template
from ..push.waking import wake_for
from ..push.workload import choose_workload
from ..records.archive import fetch_instructions
from ..records.runs import LostRun, find_run
from .display import Bar, progress_bar, say
from .formatting import counted
from .push_plan import show_plan
from .session import Session, pass_session

GZIP = b"\x1f\x8b"
"""How what gzip made begins."""
GO_ON = "Push the same workload again to go on where it stopped"


@click.command()
@click.argument("workload", required=False)
@click.option("--chunk", metavar="N|auto", help="Tasks a message; auto aims at 100-500 ms of work.  [default: 1]")
@click.option("--duration", help="What a task takes, for --chunk auto: 20ms, 1.5s, 2min.")
@click.option("--set", "sets", multiple=True, metavar="NAME=FILE", help="A CSV file for {NAME.COLUMN} in lines.")
@click.option(
    "--priority",
    type=click.Choice([str(one) for one in Priority]),
    help="high overtakes what waits.  [default: normal]",
)
@click.option("--dry-run", is_flag=True, help="Check everything, and say what would be sent and cost.")
@click.option("--run", "run_id", help="Send an existing run's messages again, for queues that lost them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was pushed as JSON.")
@pass_session
def push(  # noqa: PLR0913  (an argument an option)
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

    WORKLOAD is a file of instructions, one a line, by default workload.txt; - reads standard input, and either may be
    compressed by gzip. Empty lines and lines that begin with # say nothing. {1..100} in a line makes a hundred lines
    of it, {jobs.size} with --set jobs=jobs.csv one a row of the file. Every line is checked before any is sent. A
    push that broke off goes on when the same workload is pushed again. With --run, what the run was pushed with is
    taken from the fleet's store unless WORKLOAD is given.

    --chunk auto knows what sleep takes, heeds --duration and comments like "# duration 20ms" for the lines below
    them, and else asks the run pushed last what its tasks took.

    \b
    Examples:
      python -m client push --chunk auto
      python -m client push jobs.txt --set jobs=jobs.csv --dry-run
      seq 1000 | sed 's/^/sleep /' | python -m client push -
    """  # noqa: D301  (click's mark for text that keeps its lines)
    durations = Durations(None if duration is None else parse_duration(duration))
    template = Template.of(sets)
    wanted = _chunk_size(chunk)
    held = _find_held(session, run_id, None if chunk is None else wanted, priority)
    settings = session.settings
    with ExitStack() as stack:
        stream, name = stack.enter_context(_open_source(session, workload, held))
        with progress_bar("checking") as bar:
            spooled = stack.enter_context(
                stage_workload(
                    stream,
                    name,
                    settings.state_dir,
                    chunk_size=held.chunk_size if held else wanted or 1,
                    handlers=settings.handlers,
                    # What the store keeps is expanded already.
                    template=None if name == _kept(held) else template,
                    durations=durations,
                    on_instructions=bar.advance,
                )
            )
        spool = _as_pushed(spooled, held, priority, kept=name == _kept(held))
        if not held and wanted is None:
            spool = spool.in_chunks(_auto_chunk_size(session, spool, durations))
        if dry_run:
            show_plan(spool, durations, as_json=as_json)
            return
        pushed = push_spooled(session, spool, held)
    report_push(pushed, as_json=as_json)


def _as_pushed(spool: StagedWorkload, held: Run | None, priority: str | None, *, kept: bool) -> StagedWorkload:
    """The workload with what belongs to its run: the one that is pushed again, or a new one."""
    if held is None:
        return replace(spool, priority=Priority(priority or Priority.NORMAL))
    # What is kept is in the order of the tasks' numbers, and the digest of what was in the file's.
    digest = held.digest if kept else spool.digest
    return replace(spool, digest=digest, parent=held.parent, priority=held.priority)


def _chunk_size(given: str | None) -> int | None:
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


def _auto_chunk_size(session: Session, spool: StagedWorkload, durations: Durations) -> int:
    def observe() -> dict[str, float]:
        return session.run(lambda services: observed_in_last_run(services, session.pushes, durations), GO_ON)

    size = auto_chunk_size(spool, durations, session.pushes, observe)
    if durations.unknown and not session.pushes.unfinished(spool.record_name):
        words = ", ".join(sorted(durations.unknown)[:3])
        say(f"warning: nobody knows what tasks of {words} take, so chunks hold one. Say it by --duration 20ms")
    return size


def _kept(held: Run | None) -> str:
    """What errors call the instructions of a run that the store keeps."""
    return f"instructions of run {held.id}" if held else ""


@contextmanager
def _open_source(session: Session, given: str | None, held: Run | None) -> Iterator[tuple[IO[bytes], str]]:
    """The workload that is named, or else what the store keeps of the run that is pushed again."""
    with ExitStack() as stack:
        if held and given is None:
            folder = stack.enter_context(TemporaryDirectory(prefix="cloudkon-"))
            path = Path(folder, "instructions.gz")
            with suppress(InvalidInput):
                session.run(lambda services: fetch_instructions(services.store, held, path), GO_ON)
            if path.exists():
                yield stack.enter_context(BufferedReader(gzip.GzipFile(path))), _kept(held)
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
            raise InvalidWorkload(name, f"it is a damaged gzip file: {error}") from None


def _find_held(session: Session, run_id: str | None, chunk: int | None, priority: str | None) -> Run | None:
    if run_id is None:
        return None
    try:
        held = session.run(lambda services: find_run(services.ledger, run_id, session.pushes), GO_ON)
    except LostRun as error:
        held = error.run
        say(f"warning: {error.subject}: {error.reason}. All its tasks are sent, to be done again")
    if chunk not in (None, held.chunk_size):
        raise InvalidInput(f"--chunk {chunk}", f"run {held.id} has chunks of {held.chunk_size}", "Leave it out")
    if priority not in (None, held.priority):
        raise InvalidInput(f"--priority {priority}", f"run {held.id} has priority {held.priority}", "Leave it out")
    return held


def push_spooled(session: Session, spool: StagedWorkload, held: Run | None = None) -> Pushed:
    """Push a checked workload as a new run, or the messages of the run ``held`` again."""
    for other in session.pushes.others(spool.record_name, spool.chunk_size):
        say(f"warning: a push of this workload with another --chunk broke off (run {other}); this is another run")
    with progress_bar("pushing") as bar:

        async def work(services: Services) -> Pushed:
            began = partial(_tell_beginning, session, services, bar)
            events = PushEvents(began, bar.advance, lambda text: say(f"warning: {text}"))
            if held:
                return await push_again(services, held, spool, session.pushes, events)
            return await push_new(services, spool, session.pushes, events)

        return session.run(work, GO_ON)


async def _tell_beginning(session: Session, services: Services, bar: Bar, run: Run, sent: int | None) -> None:
    if sent is not None:
        say(f"run {run.id} goes on: {sent:,} of {run.chunk_count:,} messages were sent before")
    else:
        say(f"run {run.id}: {counted(run.count, 'task')} in {counted(run.chunk_count, 'message')}")
    bar.begin(sent or 0, run.chunk_count)
    if on_embedded_emulator(session.settings) and (warning := await crowding(services, run)):
        say(f"warning: {warning}")
    # Before the first message: instances take longer to start than messages to be sent.
    for line in await wake_for(services, run):
        say(line)


def report_push(pushed: Pushed, *, as_json: bool) -> None:
    """Say what was pushed, and print the run."""
    run = pushed.run
    say(f"pushed in {pushed.seconds:.1f} s. Follow it with: python -m client check --wait")
    if as_json:
        pools = {part.pool: part.count for part in run.ranges}
        facts = {"run": run.id, "tasks": run.count, "messages": run.chunk_count, "pools": pools}
        facts |= {"parent": run.parent or None}
        click.echo(json.dumps(facts | {"resumed": pushed.resumed, "seconds": round(pushed.seconds, 3)}))
    else:
        click.echo(run.id)
