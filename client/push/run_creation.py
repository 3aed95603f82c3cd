"""Creates the run of a push in the ledger, or finds the run of an unfinished push."""

import time
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import NoFleet, RunConflict
from cloudkon.model import Priority, Run, new_run_id
from cloudkon.ports import Ledger, Services
from cloudkon.ports.services import no_high_queue
from cloudkon.programs import command

from ..records.pushes import PushRecord
from .staged_workload import StagedWorkload


async def unfinished_run(ledger: Ledger, staged: StagedWorkload, record: PushRecord) -> Run | None:
    """Return the run that the record's push left unfinished. Raises ``RunConflict`` if it is not the workload's."""
    if not record.run_id:
        return None
    recorded = await persist(lambda: ledger.read_run(record.run_id), BRIEF)
    # If the ledger doesn't know the run, the run was pushed to another ledger or to a deleted one, and all its
    # messages are gone too. A cancelled run is over.
    if recorded is None or recorded.cancelled:
        return None
    refuse_if_different(recorded, staged, f"Cancel it with: {command(f'client cancel {recorded.id}')}, then push again")
    return recorded


async def check_queues(services: Services, staged: StagedWorkload) -> None:
    """Refuse a priority for which the fleet has no queue, before a run exists."""
    if staged.priority is Priority.NORMAL:
        return
    for pool in staged.counts:
        try:
            await persist(services.queue(pool, staged.priority).depth, BRIEF)
        except NoFleet:
            # If the normal queue is missing too, there is no fleet, which is another error.
            await persist(services.queues[pool].depth, BRIEF)
            raise no_high_queue(pool) from None


async def create_run(ledger: Ledger, staged: StagedWorkload, record: PushRecord) -> Run:
    """Create the run in the ledger under an id that no other run has, recorded on this machine first."""
    while True:
        now = time.time()
        # Milliseconds, so that the number is the same after a trip through any ledger.
        planned = staged.plan(new_run_id(now), round(now, 3))
        record.begin(planned.id)
        recorded = await persist(partial(ledger.create_run, planned), BRIEF)
        if recorded.started == planned.started and not recorded.differs(planned):
            return recorded


def refuse_if_different(recorded: Run, staged: StagedWorkload, remedy: str) -> None:
    """Raise ``RunConflict`` unless a push of the workload makes the recorded run."""
    fact = recorded.differs(staged.plan(recorded.id, recorded.started))
    if fact:
        raise RunConflict(
            f"run {recorded.id!r}",
            f"its {fact} is not this workload's, and a run must not change once its first message is sent",
            remedy,
        )
