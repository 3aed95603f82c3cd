"""Receives messages, checks them, and passes new chunks on to be claimed.

A message of a newer version than this worker's is left to newer workers, because both versions run during a rolling
deploy. It is put back for longer each time, up to a lease and the margin. A worker that received nothing else waits a
moment before it asks again, so that newer workers get the message first. If no worker has taken it after
``MOST_RECEIPTS`` receipts, which take hours, it goes to the dead-letter queue. A malformed message goes there at once.

A pool has two queues. The high-priority queue is asked first, but one of ``NORMAL_SHARE`` receives asks the normal
one instead, so that normal work never starves. A long poll waits on a queue that returned nothing while the other one
is worked through, so that new messages on either are noticed soon. This costs an idle worker six requests a minute
instead of three, and a worker that is busy with one queue three more than one queue alone would.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import trio

from cloudkon.backoff import Backoff
from cloudkon.errors import AccessDenied, CloudKonError, MalformedMessage, NewerVersion, NoFleet, Unavailable
from cloudkon.instructions import word_of
from cloudkon.model import Chunk, Delivery, Priority
from cloudkon.ports import BATCH
from cloudkon.wire.payload import read_message

from ..queues.payloads import Payloads
from ..queues.queue_client import Rejection
from .poller import Poll, Poller
from .prefetch import Prefetch
from .received_chunk import OnReceived, ReceivedChunk
from .stage_services import StageServices

NORMAL_SHARE: Final = 5
"""While both queues have messages, one of this number of receives asks the normal queue."""
_EMPTY_POLLS: Final = 3
"""Empty answers in a row before the queue's counts are trusted: they are approximate and may lag."""
_UNTIL_EMPTY_POLL_SECONDS: Final = 1.0
"""Longest poll of a worker that ends with the queue: it should get an empty answer soon."""
_RECHECK_SECONDS: Final = 0.5
"""Time until the worker checks again whether the ledger answers, or whether the queue is empty."""
_MISSING_SECONDS: Final = 300.0
"""Time until a missing high-priority queue is looked for again: the fleet may have been updated."""
_BACKOFF: Final = Backoff(first=0.4, most=10.0, jitter=1.0, least=0.1)
"""After receives that failed."""
_NEWER_BACKOFF: Final = Backoff(first=0.4, most=1.0, jitter=1.0, least=0.1)
"""After receives that returned only newer messages. It is short: messages for this worker may be behind them."""
_SHORT_POLL_BACKOFF: Final = Backoff(first=0.1, most=_RECHECK_SECONDS, jitter=1.0, least=0.05)
"""After empty answers, where polls don't wait for messages."""


class Receiver:
    """The first stage of the pipeline."""

    def __init__(
        self,
        services: StageServices,
        payloads: Payloads,
        check: Callable[[str], None],
        on_received: OnReceived,
        on_rejected: Callable[[Rejection], None],
        *,
        until_empty: bool,
    ) -> None:
        """``check`` raises ``MalformedMessage`` for an instruction's first word that no handler accepts.

        ``on_received`` is called for each new chunk, ``on_rejected`` for each message that can't be run.
        """
        self._services = services
        self._queues = services.queue_client
        self._payloads = payloads
        self._check = check
        self._on_received = on_received
        self._on_rejected = on_rejected
        self._until_empty = until_empty
        self._lot = trio.lowlevel.ParkingLot()
        self._pollers = [Poller(priority) for priority in self._queues.priorities]
        for poller in self._pollers[:-1]:
            # The high-priority queue counts as empty until it has returned a message.
            poller.empty = 1
        self._high_receives = 0
        """Receives from the high-priority queue, while it had messages, since the last one from the normal queue."""
        self._prefetch = Prefetch(services.inflight, services.durations, self._pollers)
        self._paused = False
        self._closed = trio.Event()

    def nudge(self) -> None:
        """Check again whether more work is wanted."""
        self._lot.unpark()

    def pause(self) -> None:
        """Ask for no more messages for now; the messages that polls under way still return are run."""
        self._paused = True

    def resume(self) -> None:
        """Go on after a pause."""
        self._paused = False
        self._lot.unpark()

    def close(self) -> None:
        """Ask for no more messages; the messages that polls under way still return are given back."""
        self._closed.set()
        self._lot.unpark()

    async def run(self) -> None:
        """Receive until closed or, with ``until_empty``, until the queues are empty; then wait for the polls."""
        async with trio.open_nursery() as nursery:
            while not self._closed.is_set():
                ending = self._until_empty and all(one.missing or one.empty >= _EMPTY_POLLS for one in self._pollers)
                polling = any(one.polling and not one.missing for one in self._pollers)
                if ending and not polling and await self._is_all_done():
                    nursery.cancel_scope.cancel()
                    return
                usable = [] if ending else self._usable_pollers()
                now = trio.current_time()
                poller, count = self._next_poll(usable, now)
                if poller:
                    self._high_receives = self._high_receives_after(poller)
                    poll = poller.begin(min(BATCH, count), now)
                    nursery.start_soon(self._poll, poller, poll)
                else:
                    seconds = self._prefetch.idle_seconds(usable, now) if usable else self._blocked_seconds()
                    with trio.move_on_after(seconds):
                        await self._lot.park()

    def _usable_pollers(self) -> list[Poller]:
        """Return the queues that may be asked now, if more is wanted, in the order in which to ask them."""
        if self._paused or self._services.driver.failing or not self._services.durations.slots:
            return []
        pollers = [poller for poller in self._pollers if poller.may_poll]
        return pollers[::-1] if self._high_receives >= NORMAL_SHARE - 1 else pollers

    def _next_poll(self, pollers: Sequence[Poller], now: float) -> tuple[Poller | None, int]:
        """Return the first queue of which messages are wanted, and how many."""
        for poller in pollers:
            if (wanted := self._prefetch.wanted(poller, now)) > 0:
                return poller, wanted
        return None, 0

    def _high_receives_after(self, poller: Poller) -> int:
        if poller.priority is Priority.NORMAL:
            return 0
        return self._high_receives + (not poller.empty)

    def _blocked_seconds(self) -> float:
        """Return how long no queue may be asked unless ``nudge`` is called, as each poll does when it ends."""
        until_nudged = self._paused or not any(poller.may_poll for poller in self._pollers)
        return math.inf if until_nudged else _RECHECK_SECONDS

    async def _poll(self, poller: Poller, poll: Poll) -> None:
        try:
            await self._receive(poller, poll)
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not stop the tasks that run)
            # What was received and not passed on comes again by itself.
            self._services.log.unexpected("receive-failed", error)
            await self._back_off(poller)
        finally:
            poller.end(poll)
            self._lot.unpark()

    async def _receive(self, poller: Poller, poll: Poll) -> None:
        wait = self._services.settings.poll_seconds
        if self._until_empty:
            wait = min(wait, _UNTIL_EMPTY_POLL_SECONDS)
        visibility = self._services.settings.visibility_seconds
        hidden_until = trio.current_time() + visibility
        try:
            deliveries = await self._queues.receive(poller.priority, poll.limit, wait, visibility)
        except (NoFleet, AccessDenied) as error:
            await (self._fail(poller, error) if poller.priority is Priority.NORMAL else self._miss(poller, error))
        except CloudKonError as error:
            await self._fail(poller, error)
        else:
            poller.missing = False
            poller.empty = 0 if deliveries else poller.empty + 1
            if self._closed.is_set() or self._prefetch.is_surplus(poll):
                # At once, not when all polls have ended: our other polls could receive what we release by then.
                await self._queues.give_back(deliveries)
                return
            await self._accept_all(poller, deliveries, hidden_until, poll.limit)
            if not deliveries and wait == 0:
                await trio.sleep(_SHORT_POLL_BACKOFF.wait(poller.empty, self._services.rng))

    async def _accept_all(
        self, poller: Poller, deliveries: Sequence[Delivery], hidden_until: float, limit: int
    ) -> None:
        more = len(deliveries) >= limit
        left = [one for one in deliveries if not await self._accept(one, hidden_until, more=more)]
        await self._services.redelivery.put_back(left)
        if left and len(left) == len(deliveries):
            await self._back_off(poller, _NEWER_BACKOFF)
        else:
            poller.backoffs = 0

    async def _fail(self, poller: Poller, error: CloudKonError) -> None:
        self._services.log.warning("receive-failed", error=str(error))
        await self._back_off(poller)

    async def _miss(self, poller: Poller, error: CloudKonError) -> None:
        """Go on without a high-priority queue: the fleet, or the worker's role, is older than priorities."""
        if not poller.missing:
            self._services.log.warning("high-queue-missing", error=str(error))
        poller.missing = True
        self._lot.unpark()
        with trio.move_on_after(_MISSING_SECONDS):
            await self._closed.wait()

    async def _back_off(self, poller: Poller, backoff: Backoff = _BACKOFF) -> None:
        """Wait before the queue is asked again, longer after each failure; end early when the receiver closes."""
        poller.backoffs += 1
        poller.pausing += 1
        with trio.move_on_after(backoff.wait(poller.backoffs, self._services.rng)):
            await self._closed.wait()
        poller.pausing -= 1

    async def _accept(self, delivery: Delivery, hidden_until: float, *, more: bool) -> bool:
        """Pass a message on or reject it; return ``False`` if it must be left for later, or to other workers."""
        try:
            received = await self._read(delivery, hidden_until)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is this message's)
            return self._refuse(delivery, error)
        if received is not None:
            self._prefetch.add_chunk(len(received.chunk))
            self._services.inflight.add_received(received)
            self._on_received(received, more=more)
        return True

    async def _read(self, delivery: Delivery, hidden_until: float) -> ReceivedChunk | None:
        """Return the chunk that a message brings; ``None`` if it is a copy of one that is in flight here."""
        message = read_message(delivery.body)
        chunk = message if isinstance(message, Chunk) else await self._payloads.fetch(message)
        self._check_handlers(chunk)
        known = self._services.inflight.find(chunk.key)
        if known is None:
            return ReceivedChunk.of(chunk, delivery, hidden_until)
        if known.chunk != chunk:
            # Once that one is in the ledger, this message is compared with it.
            raise Unavailable(f"chunk {chunk.key} is in flight with other tasks")
        known.add(delivery)
        return None

    def _refuse(self, delivery: Delivery, error: Exception) -> bool:
        """Reject a message that can't be run, and return ``True``; return ``False`` if it is to be left for later."""
        log, message = self._services.log, delivery.message_id
        is_malformed = isinstance(error, MalformedMessage) and not isinstance(error, NewerVersion)
        if is_malformed or self._services.redelivery.is_exhausted(delivery):
            log.warning("message-rejected", message=message, error=str(error))
            self._on_rejected(Rejection(delivery, str(error) or type(error).__name__))
            return True
        if isinstance(error, NewerVersion):
            log.warning("message-newer", message=message, error=str(error))
        elif isinstance(error, (CloudKonError, OSError)):
            log.warning("message-postponed", message=message, error=str(error))
        else:
            log.unexpected("message-failed", error, message=message)
        return False

    def _check_handlers(self, chunk: Chunk) -> None:
        for word in {word_of(instruction) for instruction in chunk.instructions}:
            self._check(word)

    async def _is_all_done(self) -> bool:
        """Whether the queues are empty, and neither this worker nor another one has a message in flight."""
        for poller in self._pollers:
            poller.empty = 1
        if len(self._services.inflight):
            return False
        try:
            return (await self._queues.depth()).empty
        except CloudKonError as error:
            self._services.log.warning("depth-failed", error=str(error))
            return False
