"""Pushes a staged workload with a progress bar, and reports the run that was pushed."""

from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.programs import command
from cloudkon.terminal import print_json, print_line, say

from ...push.staged_workload import StagedWorkload
from ...push.submit import Pushed, PushEvents, submit, submit_again
from ..session import Session
from .display import progress_bar
from .formatting import counted

HOW_TO_RESUME = "Push the same workload again to resume"


def push_with_progress(session: Session, staged: StagedWorkload, existing: Run | None = None) -> Pushed:
    """Push a checked workload as a new run, or send the messages of the ``existing`` run again."""
    for other in session.pushes.others(staged.record_name, staged.chunk_size):
        say(f"warning: run {other}, a push of this workload with another --chunk, is unfinished; this is a new run")
    with progress_bar("pushing") as bar:

        def on_begun(run: Run, sent: int | None) -> None:
            if sent is None:
                say(f"run {run.id}: {counted(run.count, 'task')} in {counted(run.chunk_count, 'message')}")
            else:
                say(f"run {run.id} resumes: {sent:,} of {run.chunk_count:,} messages were sent before")
            bar.begin(sent or 0, run.chunk_count)

        async def work(services: Services) -> Pushed:
            events = PushEvents(on_begun, bar.advance, lambda text: say(f"warning: {text}"), say)
            if existing:
                return await submit_again(services, session.settings, existing, staged, session.pushes, events)
            return await submit(services, session.settings, staged, session.pushes, events)

        return session.run(work, HOW_TO_RESUME)


def report_push(pushed: Pushed, *, as_json: bool) -> None:
    """Report how long the push took, and print the run's id or, as JSON, its facts."""
    run = pushed.run
    say(f"pushed in {pushed.seconds:.1f} s. Follow it with: {command('client check --wait')}")
    if as_json:
        pools = {part.pool: part.count for part in run.ranges}
        facts = {"run": run.id, "tasks": run.count, "messages": run.chunk_count, "pools": pools}
        facts |= {"parent": run.parent or None}
        print_json(facts | {"resumed": pushed.resumed, "seconds": round(pushed.seconds, 3)})
    else:
        print_line(run.id)
