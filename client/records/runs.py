"""Finds the run that the user names, and cancels runs."""

from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, NewerVersion, UnknownRun
from cloudkon.model import Run
from cloudkon.ports import Ledger
from cloudkon.programs import command
from cloudkon.wire.fields import RUN_ID

from .pushes import Pushes


class LostRun(UnknownRun):
    """A run that was pushed from here is no longer in the ledger; ``run`` holds its facts."""

    def __init__(self, run: Run, fleet: str) -> None:
        """Name the run, the fleet and the command that runs it again."""
        reason = f"fleet {fleet!r} has lost it and its results"
        remedy = f"Run it again with: {command(f'client push --run {run.id} WORKLOAD')}"
        super().__init__(f"run {run.id!r}", reason, remedy)
        self.run = run


async def find_run(ledger: Ledger, run_id: str | None, pushes: Pushes) -> Run:
    """Return the run with that id, or the last one pushed. Raises ``UnknownRun``, ``LostRun`` or ``InvalidInput``."""
    wanted = run_id or pushes.last()
    try:
        run = await persist(lambda: ledger.read_run(wanted), BRIEF) if RUN_ID.fullmatch(wanted) else None
    except NewerVersion as error:
        raise InvalidInput(f"run {wanted!r}", str(error), "Use the newer version of this client") from None
    if run is None and (pushed := pushes.runs.find(wanted)):
        raise LostRun(pushed, pushes.fleet)
    if run is None:
        remedy = f"See: {command('client runs')}" if run_id else f"Push a workload with: {command('client push')}"
        raise UnknownRun(f"run {wanted!r:.60}", f"fleet {pushes.fleet!r} has no such run", remedy)
    return run


async def cancel(ledger: Ledger, run: Run) -> None:
    """Set a run's cancelled flag. Its workers see it within seconds."""
    await persist(partial(ledger.cancel_run, run.id), BRIEF)
