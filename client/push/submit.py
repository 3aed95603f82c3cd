"""Submits a checked workload to a fleet as a run: wakes its pools, then sends its messages.

The command line and the Python interface both submit here. A push that stopped halfway is resumed by the next push of
the same workload.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import CloudKonError, InvalidInput, ServiceError
from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.settings import Settings

from ..records.archive import keep_instructions
from ..records.parent_tasks import keep_parent_tasks
from ..records.pushes import Pushes, PushRecord
from .batches import batches
from .capacity_check import capacity_warning
from .run_creation import check_queues, create_run, refuse_if_different, unfinished_run
from .sending import Watermark, send_batches
from .staged_workload import StagedWorkload


class PushBroke(ServiceError):
    """A push stopped halfway. Pushing the same workload again resumes it."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A complete push; ``resumed`` is true if an earlier push had begun it."""

    run: Run
    resumed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class PushEvents:
    """Callbacks that report the progress of a push.

    ``on_begun`` is called before the first message, with the run and the number of its messages that an earlier push
    sent (``None`` if there was no earlier push). ``on_sent`` is called after each batch, with the number of its
    messages. ``on_warning`` is called with a problem that does not stop the push, ``on_woken`` with what the fleet's
    waker did, for people to read.
    """

    on_begun: Callable[[Run, int | None], None] = lambda _run, _sent: None
    on_sent: Callable[[int], None] = lambda _messages: None
    on_warning: Callable[[str], None] = lambda _text: None
    on_woken: Callable[[str], None] = lambda _text: None


SILENT = PushEvents()


async def submit(
    services: Services, settings: Settings, staged: StagedWorkload, pushes: Pushes, events: PushEvents = SILENT
) -> Pushed:
    """Push a workload as a new run, or resume the unfinished push of the same workload.

    Raises ``RunConflict`` if the ledger's run differs from the one to resume, ``PushBroke`` if sending failed.
    """
    with pushes.record(staged.record_name, staged.chunk_size) as record:
        unfinished = await unfinished_run(services.ledger, staged, record)
        if not unfinished:
            await check_queues(services, staged)
        run = unfinished or await create_run(services.ledger, staged, record)
        sender = _Sender(services, settings, staged, pushes, record, events)
        return await sender.send(run, resumed=unfinished is not None)


async def submit_again(
    services: Services,
    settings: Settings,
    run: Run,
    staged: StagedWorkload,
    pushes: Pushes,
    events: PushEvents = SILENT,
) -> Pushed:
    """Send all messages of an existing run again, for queues that lost them. Workers skip chunks that are done.

    If the ledger has lost the run itself, the run is written to it again unchanged, and all its tasks run again.

    Raises ``RunConflict`` if the workload is not the run's, ``PushBroke`` if sending failed.
    """
    refuse_if_different(run, staged, "Push the file it was made from, or push without --run for a new run")
    with pushes.record(staged.record_name, staged.chunk_size) as record:
        if record.run_id not in ("", run.id):
            remedy = "First push the workload without --run to finish it"
            raise InvalidInput("push", f"run {record.run_id} of the same workload is only partly pushed", remedy)
        record.begin(run.id)
        recorded = await persist(partial(services.ledger.create_run, run), BRIEF)
        refuse_if_different(recorded, staged, "Push it without --run, as a new run")
        return await _Sender(services, settings, staged, pushes, record, events).send(run, resumed=False)


@dataclass(frozen=True, slots=True)
class _Sender:
    """Wakes the fleet and sends the messages that are not recorded as sent yet."""

    services: Services
    settings: Settings
    staged: StagedWorkload
    pushes: Pushes
    record: PushRecord
    events: PushEvents

    async def send(self, run: Run, *, resumed: bool) -> Pushed:
        begun, sent_before = time.monotonic(), self.record.sent
        watermark = Watermark(sent_before)

        def on_sent(messages: int) -> None:
            self.record.note(watermark.sent)
            self.events.on_sent(messages)

        self.pushes.remember(run)
        try:
            self.events.on_begun(run, sent_before if resumed else None)
            await self._warn_and_wake(run)
            await self._keep_instructions(run)
            if self.staged.parent_numbers:
                await keep_parent_tasks(self.services.store, run, self.staged.parent_numbers)
            queues = {part.pool: self.services.queue(part.pool, run.priority) for part in run.ranges}
            unsent = batches(run, self.staged, sent_before)
            await send_batches(queues, self.services.store, unsent, watermark, on_sent)
        except CloudKonError as error:
            raise PushBroke(
                f"{error}. {watermark.sent:,} of {run.chunk_count:,} messages of run {run.id} are known to be sent: "
                "push the same workload again to resume"
            ) from error
        self.record.finish()
        return Pushed(run, resumed, time.monotonic() - begun)

    async def _warn_and_wake(self, run: Run) -> None:
        """Warn of queues that get too long, and wake the pools that the run uses."""
        if warning := await capacity_warning(self.services, self.settings, run):
            self.events.on_warning(warning)
        # Before the first message: instances take longer to start than messages to be sent.
        chunks = {part.pool: -(-part.count // run.chunk_size) for part in run.ranges}
        for text in await self.services.waker.wake(chunks):
            self.events.on_woken(text)

    async def _keep_instructions(self, run: Run) -> None:
        """Keep the instructions in the store, for failures and retries. If this fails, the push only warns."""
        try:
            await keep_instructions(self.services.store, run, self.staged.files)
        except CloudKonError as error:
            self.events.on_warning(f"the run's instructions are not kept, so it can't be retried: {error}")
