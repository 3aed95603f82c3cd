"""Push: a checked workload becomes a run. One that breaks off is taken up again by the next push of the workload."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from client.backoff import BRIEF, persist
from client.batches import batches
from client.pushes import Pushes, PushRecord
from client.sending import Watermark, send_batches
from client.spool import Spool
from cloudkon.errors import CloudKonError, InvalidInput, RunConflict, ServiceError
from cloudkon.ports import Ledger, Services
from cloudkon.words import Run, new_run_id


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
    (``None`` if there was none); ``sent`` is called after each batch with how many messages it had.
    """

    began: Callable[[Run, int | None], Awaitable[None]] = _nothing
    sent: Callable[[int], None] = lambda _messages: None


SILENT = PushEvents()


async def push(services: Services, spool: Spool, pushes: Pushes, events: PushEvents = SILENT) -> Pushed:
    """Push a workload as a new run, or go on with its run whose push broke off.

    Raises ``RunConflict`` if the ledger's run differs from the one to go on with, ``PushBroke`` if sending failed.
    """
    with pushes.record(spool.digest, spool.chunk_size) as record:
        unfinished = await _unfinished_run(services.ledger, spool, record)
        run = unfinished or await _new_run(services.ledger, spool, record)
        sender = _Sender(services, spool, pushes, record, events)
        return await sender.send(run, resumed=unfinished is not None)


async def push_again(services: Services, run: Run, spool: Spool, pushes: Pushes, events: PushEvents = SILENT) -> Pushed:
    """Send all messages of a run anew, for queues that lost them; the ledger keeps out what was done already.

    Raises ``RunConflict`` if the workload is not the run's, ``PushBroke`` if sending failed.
    """
    _refuse_if_different(run, spool, "Push the file it was made from, or push without --run for a new run")
    with pushes.record(spool.digest, spool.chunk_size) as record:
        if record.run_id not in ("", run.id):
            remedy = "Push it without --run first, to the end"
            raise InvalidInput("push", f"run {record.run_id} of the same workload is pushed in part only", remedy)
        record.begin(run.id)
        return await _Sender(services, spool, pushes, record, events).send(run, resumed=False)


async def _unfinished_run(ledger: Ledger, spool: Spool, record: PushRecord) -> Run | None:
    if not record.run_id:
        return None
    held = await persist(lambda: ledger.read_run(record.run_id), BRIEF)
    # A run that this ledger doesn't know was pushed to another, or to one that was since deleted: all that was
    # sent is gone with it. One that was cancelled is over.
    if held is None or held.cancelled:
        return None
    _refuse_if_different(held, spool, f"Give it up with: python -m client cancel {held.id}, then push again")
    return held


async def _new_run(ledger: Ledger, spool: Spool, record: PushRecord) -> Run:
    while True:
        now = time.time()
        # Milliseconds, so that the number is the same after a trip through any ledger.
        wanted = spool.plan(new_run_id(now), round(now, 3))
        record.begin(wanted.id)
        held = await persist(partial(ledger.create_run, wanted), BRIEF)
        if held.started == wanted.started and not held.differs(wanted):
            return held


def _refuse_if_different(held: Run, spool: Spool, remedy: str) -> None:
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
    spool: Spool
    pushes: Pushes
    record: PushRecord
    events: PushEvents

    async def send(self, run: Run, *, resumed: bool) -> Pushed:
        began, before = time.monotonic(), self.record.sent
        watermark = Watermark(before)

        def note(messages: int) -> None:
            self.record.note(watermark.sent)
            self.events.sent(messages)

        self.pushes.remember(run.id)
        try:
            await self.events.began(run, before if resumed else None)
            await send_batches(self.services.queues, batches(run, self.spool, before), watermark, note)
        except CloudKonError as error:
            raise PushBroke(
                f"{error}. Of run {run.id}, {watermark.sent:,} of {run.chunk_count:,} messages are known sent: "
                "push the same workload again to go on"
            ) from error
        self.record.finish()
        return Pushed(run, resumed, time.monotonic() - began)
