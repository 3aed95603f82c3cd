"""The push command."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

import click

from client.cli.display import Bar, counted, progress_bar, say
from client.cli.session import Session, pass_session
from client.crowding import crowding, on_embedded_emulator
from client.push import Pushed, PushEvents, push_again
from client.push import push as push_new
from client.runs import find_run
from client.spool import Spool, spool_workload
from client.workload import choose_workload
from cloudkon.errors import InvalidInput
from cloudkon.ports import Services
from cloudkon.words import Run

GO_ON = "Push the same workload again to go on where it stopped"


@click.command()
@click.argument("workload", required=False)
@click.option("--chunk", type=int, help="Tasks a message; chunk short tasks to 100-500 ms of work.  [default: 1]")
@click.option("--run", "run_id", help="Send an existing run's messages again, for queues that lost them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was pushed as JSON.")
@pass_session
def push(session: Session, workload: str | None, chunk: int | None, run_id: str | None, *, as_json: bool) -> None:
    """Push WORKLOAD as a new run, and print the run's id.

    WORKLOAD is a file of instructions, one a line, by default workload.txt; - reads standard input. Every line is
    checked before any is sent. A push that broke off goes on when the same workload is pushed again.
    """
    with _open_workload(workload) as (stream, name):
        held = _find_held(session, run_id, chunk)
        chunk_size = held.chunk_size if held else 1 if chunk is None else chunk
        settings = session.settings
        with spool_workload(
            stream, name, settings.state_dir, chunk_size=chunk_size, handlers=settings.handlers
        ) as spool:
            pushed = _push(session, spool, held)
    _report(pushed, as_json=as_json)


@contextmanager
def _open_workload(given: str | None) -> Iterator[tuple[IO[bytes], str]]:
    if given == "-":
        yield sys.stdin.buffer, "standard input"
        return
    path = choose_workload(given)
    with path.open("rb") as stream:
        yield stream, str(path)


def _find_held(session: Session, run_id: str | None, chunk: int | None) -> Run | None:
    if run_id is None:
        return None
    held = session.run(lambda services: find_run(services.ledger, run_id, session.pushes), GO_ON)
    if chunk not in (None, held.chunk_size):
        raise InvalidInput(f"--chunk {chunk}", f"run {held.id} has chunks of {held.chunk_size}", "Leave it out")
    return held


def _push(session: Session, spool: Spool, held: Run | None) -> Pushed:
    for other in session.pushes.others(spool.digest, spool.chunk_size):
        say(f"warning: a push of this workload with another --chunk broke off (run {other}); this is another run")
    with progress_bar("pushing") as bar:

        async def work(services: Services) -> Pushed:
            events = PushEvents(partial(_tell_beginning, session, services, bar), bar.advance)
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


def _report(pushed: Pushed, *, as_json: bool) -> None:
    run = pushed.run
    say(f"pushed in {pushed.seconds:.1f} s. Follow it with: python -m client check --wait")
    if as_json:
        pools = {part.pool: part.count for part in run.ranges}
        facts = {"run": run.id, "tasks": run.count, "messages": run.chunk_count, "pools": pools}
        click.echo(json.dumps(facts | {"resumed": pushed.resumed, "seconds": round(pushed.seconds, 3)}))
    else:
        click.echo(run.id)
