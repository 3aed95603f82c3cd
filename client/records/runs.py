"""Finds the run that the user names, and cancels runs."""

from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, NewerVersion, UnknownRun
from cloudkon.model import POOLS, Run
from cloudkon.ports import Ledger
from cloudkon.programs import command
from cloudkon.wire.fields import RUN_ID

from .pushes import Pushes

_NEWER = "Use the newer version of this client"
_POOL_NAMES = [pool.name for pool in POOLS]


class LostRun(UnknownRun):
    """A run that was pushed from here is no longer in the ledger; ``run`` holds its facts."""

    def __init__(self, run: Run, fleet: str) -> None:
        """Name the run, the fleet and the command that runs it again."""
        reason = f"fleet {fleet!r} has lost it and its results"
        remedy = f"Run it again with: {command(f'client push --run {run.id} WORKLOAD')}"
        super().__init__(f"run {run.id!r}", reason, remedy)
        self.run = run


async def find_run(ledger: Ledger, run_id: str | None, pushes: Pushes, *, of_any_pool: bool = False) -> Run:
    """Return the run with that id, or the last one pushed. Raises ``UnknownRun``, ``LostRun`` or ``InvalidInput``.

    A run for a pool that this version does not have is refused unless it may be ``of_any_pool``.
    """
    wanted = run_id or pushes.last()
    try:
        run = await persist(lambda: ledger.read_run(wanted), BRIEF) if RUN_ID.fullmatch(wanted) else None
    except NewerVersion as error:
        raise InvalidInput(f"run {wanted!r}", str(error), _NEWER) from None
    if run and not of_any_pool:
        _check_pools(run)
    if run is None and (pushed := pushes.runs.find(wanted)):
        raise LostRun(pushed, pushes.fleet)
    if run is None:
        remedy = f"See: {command('client runs')}" if run_id else f"Push a workload with: {command('client push')}"
        raise UnknownRun(f"run {wanted!r:.60}", f"fleet {pushes.fleet!r} has no such run", remedy)
    return run


def _check_pools(run: Run) -> None:
    """Raise ``InvalidInput`` if the run is for a pool of a newer version, or of nobody: any program can write a run."""
    for part in run.ranges:
        if part.pool not in _POOL_NAMES:
            raise InvalidInput(
                f"run {run.id!r}",
                f"it has tasks for the pool {part.pool!r:.60}, and this version has only {', '.join(_POOL_NAMES)}",
                f"Use the version that pushed it, or cancel it with: {command(f'client cancel {run.id}')}",
            )


async def cancel(ledger: Ledger, run: Run) -> None:
    """Set a run's cancelled flag. Its workers see it within seconds."""
    await persist(partial(ledger.cancel_run, run.id), BRIEF)
