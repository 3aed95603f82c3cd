"""Runs: finding the one that the user means."""

from client.backoff import BRIEF, persist
from client.pushes import Pushes
from cloudkon.errors import UnknownRun
from cloudkon.ports import Ledger
from cloudkon.wire.message import RUN_ID
from cloudkon.words import Run


async def find_run(ledger: Ledger, run_id: str | None, pushes: Pushes) -> Run:
    """The run of that id, or the last one pushed from here. Raises ``UnknownRun`` or ``InvalidInput``."""
    wanted = run_id or pushes.last()
    run = await persist(lambda: ledger.read_run(wanted), BRIEF) if RUN_ID.fullmatch(wanted) else None
    if run is None:
        remedy = "Ids are printed by push" if run_id else "Push a workload with: python -m client push"
        raise UnknownRun(f"run {wanted!r:.60}", f"fleet {pushes.fleet!r} knows no such run", remedy)
    return run
