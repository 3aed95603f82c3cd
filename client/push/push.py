"""Push: a checked workload becomes a run. One that breaks off is taken up again by the next push of the workload."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import CloudKonError, InvalidInput, NoFleet, RunConflict, ServiceError
from cloudkon.model import Priority, Run, new_run_id
from cloudkon.ports import Ledger, Services
from cloudkon.ports.services import no_high_queue

from ..records.archive import keep_instructions
from ..records.pushes import Pushes, PushRecord
from .batches import batches
from .sending import Watermark, send_batches
from .staged_workload import StagedWorkload


class PushBroke(ServiceError):
    """A push broke off; pushing the same workload again goes on where it stopped."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push that is complete; ``resumed`` tells whether an earlier one had begun it."""

    run: Run
    resumed: bool
    seconds: float


async def _nothing(_run: Run, _sent: int | None) -> None:
    return


@dataclass(frozen=True, slots=True)
class PushEvents:
    """What a push tells while it goes on.

    ``began`` is awaited before the first message, with the run and how many of its messages an earlier push sent
    (``None`` if there was none); ``sent`` is called after each batch with how many messages it had; ``warn`` with what
    went wrong and does no harm to the run.
    """

    began: Callable[[Run, int | None], Awaitable[None]] = _nothing
    sent: Callable[[int], None] = lambda _messages: None
    warn: Callable[[str], None] = lambda _text: None


SILENT = PushEvents()


async def push(services: Services, spool: StagedWorkload, pushes: Pushes, events: PushEvents = SILENT) -> Pushed:
    """Push a workload as a new run, or go on with its run whose push broke off.

    Raises ``RunConflict`` if the ledger's run differs from the one to go on with, ``PushBroke`` if sending failed.
    """
    with pushes.record(spool.record_name, spool.chunk_size) as record:
        unfinished = await _unfinished_run(services.ledger, spool, record)
        if not unfinished:
            await _check_queues(services, spool)
        run = unfinished or await _new_run(services.ledger, spool, record)
        sender = _Sender(services, spool, pushes, record, events)
        return await sender.send(run, resumed=unfinished is not None)


async def push_again(
    services: Services, run: Run, spool: StagedWorkload, pushes: Pushes, events: PushEvents = SILENT
) -> Pushed:
    """Send all messages of a run anew, for queues that lost them; the ledger keeps out what was done already.

    A ledger that lost the run itself is given it again, as it was, and with it every task is to be done again.

    Raises ``RunConflict`` if the workload is not the run's, ``PushBroke`` if sending failed.
    """
    _refuse_if_different(run, spool, "Push the file it was made from, or push without --run for a new run")
    with pushes.record(spool.record_name, spool.chunk_size) as record:
        if record.run_id not in ("", run.id):
            remedy = "Push it without --run first, to the end"
            raise InvalidInput("push", f"run {record.run_id} of the same workload is pushed in part only", remedy)
        record.begin(run.id)
        held = await persist(partial(services.ledger.create_run, run), BRIEF)
        _refuse_if_different(held, spool, "Push it without --run, as a new run")
        return await _Sender(services, spool, pushes, record, events).send(run, resumed=False)


async def _unfinished_run(ledger: Ledger, spool: StagedWorkload, record: PushRecord) -> Run | None:
    if not record.run_id:
        return None
    held = await persist(lambda: ledger.read_run(record.run_id), BRIEF)
    # A run that this ledger doesn't know was pushed to another, or to one that was since deleted: all that was
    # sent is gone with it. One that was cancelled is over.
    if held is None or held.cancelled:
        return None
    _refuse_if_different(held, spool, f"Give it up with: python -m client cancel {held.id}, then push again")
    return held


async def _check_queues(services: Services, spool: StagedWorkload) -> None:
    """Refuse a priority that the fleet has no queue for, before there is a run of it."""
    if spool.priority is Priority.NORMAL:
        return
    for pool in spool.counts:
        try:
            await persist(services.queue(pool, spool.priority).depth, BRIEF)
        except NoFleet:
            # Without the normal queue too there is no fleet at all, which is another error.
            await persist(services.queues[pool].depth, BRIEF)
            raise no_high_queue(pool) from None


async def _new_run(ledger: Ledger, spool: StagedWorkload, record: PushRecord) -> Run:
    while True:
        now = time.time()
        # Milliseconds, so that the number is the same after a trip through any ledger.
        wanted = spool.plan(new_run_id(now), round(now, 3))
        record.begin(wanted.id)
        held = await persist(partial(ledger.create_run, wanted), BRIEF)
        if held.started == wanted.started and not held.differs(wanted):
            return held


def _refuse_if_different(held: Run, spool: StagedWorkload, remedy: str) -> None:
    fact = held.differs(spool.plan(held.id, held.started))
    if fact:
        raise RunConflict(
            f"run {held.id!r}",
            f"its {fact} is not this workload's, and a run must not change once its first message is sent",
            remedy,
        )


@dataclass(frozen=True, slots=True)
class _Sender:
    """Sends what a record says is not sent yet."""

    services: Services
    spool: StagedWorkload
    pushes: Pushes
    record: PushRecord
    events: PushEvents

    async def send(self, run: Run, *, resumed: bool) -> Pushed:
        began, before = time.monotonic(), self.record.sent
        watermark = Watermark(before)

        def note(messages: int) -> None:
            self.record.note(watermark.sent)
            self.events.sent(messages)

        self.pushes.remember(run)
        try:
            await self.events.began(run, before if resumed else None)
            await self._keep_instructions(run)
            queues = {part.pool: self.services.queue(part.pool, run.priority) for part in run.ranges}
            await send_batches(queues, self.services.store, batches(run, self.spool, before), watermark, note)
        except CloudKonError as error:
            raise PushBroke(
                f"{error}. Of run {run.id}, {watermark.sent:,} of {run.chunk_count:,} messages are known sent: "
                "push the same workload again to go on"
            ) from error
        self.record.finish()
        return Pushed(run, resumed, time.monotonic() - began)

    async def _keep_instructions(self, run: Run) -> None:
        """Keep them in the store, for whoever asks what failed. No task needs them to run, so failing is borne."""
        try:
            await keep_instructions(self.services.store, run, self.spool.files)
        except CloudKonError as error:
            self.events.warn(f"the run's instructions are not kept, so it can't be retried: {error}")
