"""Runs: finding the one that the user means."""

from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, NewerVersion, UnknownRun
from cloudkon.model import Run
from cloudkon.ports import Ledger
from cloudkon.wire.message import RUN_ID

from .pushes import Pushes


class LostRun(UnknownRun):
    """A run that was pushed from here is no longer in the ledger; ``run`` is what it was."""

    def __init__(self, run: Run, fleet: str) -> None:
        """Tell how to do it again."""
        reason = f"fleet {fleet!r} has lost it, and its results with it"
        super().__init__(f"run {run.id!r}", reason, f"Do it again with: python -m client push --run {run.id} WORKLOAD")
        self.run = run


async def find_run(ledger: Ledger, run_id: str | None, pushes: Pushes) -> Run:
    """The run of that id, or the last one pushed from here. Raises ``UnknownRun``, ``LostRun`` or ``InvalidInput``."""
    wanted = run_id or pushes.last()
    try:
        run = await persist(lambda: ledger.read_run(wanted), BRIEF) if RUN_ID.fullmatch(wanted) else None
    except NewerVersion as error:
        raise InvalidInput(f"run {wanted!r}", str(error), "Use a newer version of this client, as pushed it") from None
    if run is None and (pushed := pushes.runs.find(wanted)):
        raise LostRun(pushed, pushes.fleet)
    if run is None:
        remedy = "Ids are printed by push" if run_id else "Push a workload with: python -m client push"
        raise UnknownRun(f"run {wanted!r:.60}", f"fleet {pushes.fleet!r} knows no such run", remedy)
    return run


async def cancel(ledger: Ledger, run: Run) -> None:
    """Set a run's cancelled flag; its workers see it within seconds."""
    await persist(partial(ledger.cancel_run, run.id), BRIEF)
