"""Intake: receives as much as will keep the slots busy, and no more.

Prefetch is measured in time: it asks for more when what is pending, running and asked for will last less than
``LEAD`` seconds. By number it would dribble with short tasks (1.7 calls a task instead of 0.5) and hoard long ones
that an idle worker elsewhere could run.

A message of a newer version than this worker's is left to newer workers, as a rolling deploy has both: it is put back
for longer each time, up to a lease and the margin, and a worker that got nothing else waits a moment before it asks
again, so as not to keep it from them. Only when nobody took it for ``MOST_RECEIPTS`` receipts, which are hours, it
goes to the dead-letter queue; a malformed one goes there at once.

A pool has two queues. Work is asked of the high one first, but of ``SHARE`` receives of it one goes to the normal one
instead, so that normal never starves. Where one of them gave nothing, a long poll listens at it while the other is
worked through, so that neither is heard late: a worker that idles makes six requests a minute and not three, one that
works on one queue three more than it would without the other.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import trio

from cloudkon.errors import AccessDenied, CloudKonError, MalformedMessage, NewerVersion, NoFleet
from cloudkon.instructions import word_of
from cloudkon.model import Chunk, Delivery, Priority
from cloudkon.ports import BATCH
from cloudkon.wire.payload import read_message

from ..queues.payloads import Payloads
from ..queues.pool_queues import PoolQueues
from ..queues.queue_client import Rejection
from .claimed_chunk import OnReceived, ReceivedChunk
from .poller import Poll, Poller
from .stage_services import StageServices

LEAD = 0.09
"""Seconds of work under which more is asked for: the time from a receive to the claim's answer, tails included."""
MOST_HELD = 300
"""Chunks that one worker holds at the most, which its heartbeats can renew in a dozen calls."""
SHARE = 5
"""Of so many receives while both queues have messages, one is of the normal queue."""
SATED = 5.0
"""Seconds of work in hand with which a worker gives back what a listening poll brings: others may be idle."""
_EMPTY_POLLS = 3
"""Empty answers in a row before the queue's counts are believed: they are approximate and may lag."""
_CAREFUL_WAIT = 1.0
"""Seconds that a poll waits where the worker ends with the queue: an empty answer must come soon."""
_LONGEST_PAUSE = 0.5
"""Seconds until it is looked again whether the ledger answers, or the queue is empty."""
_LONGEST_SURMISE = 5.0
"""Seconds for which an average of what tasks took is relied on; a slot that finds nothing to run says so by itself."""
_LONGEST_BACKOFF = 10.0
_MISSING_SECONDS = 300.0
"""After which a queue of high priority that is not there is looked for again: the fleet may be brought up to date."""
_LONGEST_COURTESY = 1.0
"""Seconds for which newer workers are let go first: messages of our own version may stand behind the newer ones."""
MOST_RECEIPTS = 300
"""Of a newer version's message, before it is given up: about four hours by the default lease, and well below the 1,000
after which the queue itself gives up. Copies of a chunk that newer workers run count receipts too, one a lease."""


class Receiver:
    """The first stage of the pipeline."""

    def __init__(
        self,
        kit: StageServices,
        queues: PoolQueues,
        payloads: Payloads,
        check: Callable[[str], None],
        on_arrival: OnReceived,
        on_rejection: Callable[[Rejection], None],
        *,
        until_empty: bool,
    ) -> None:
        """``check`` raises ``MalformedMessage`` for first words that no handler takes."""
        self._kit = kit
        self._queues = queues
        self._payloads = payloads
        self._check = check
        self._on_arrival = on_arrival
        self._on_rejection = on_rejection
        self._until_empty = until_empty
        self._lot = trio.lowlevel.ParkingLot()
        self._doors = [Poller(queue, priority) for priority, queue in queues.queues.items()]
        for door in self._doors[:-1]:
            # Nothing is expected of the high one before it gave something.
            door.empty = 1
        self._since_normal = 0
        """Receives of the high queue, while it flowed, since the last one of the normal queue."""
        self._tasks_a_chunk = 1.0
        self._chunks_seen = 0
        self._paused = False
        self._closed = trio.Event()

    def nudge(self) -> None:
        """Look again whether more is wanted."""
        self._lot.unpark()

    def pause(self) -> None:
        """Ask for nothing more for now; what the polls under way still bring is run."""
        self._paused = True

    def resume(self) -> None:
        """Go on after a pause."""
        self._paused = False
        self._lot.unpark()

    def close(self) -> None:
        """Receive nothing more; what the polls under way still bring is given back."""
        self._closed.set()
        self._lot.unpark()

    async def run(self) -> None:
        """Receive until closed, or until the queues are empty if asked so; returns when no poll is under way."""
        async with trio.open_nursery() as nursery:
            while not self._closed.is_set():
                ending = self._until_empty and all(door.missing or door.empty >= _EMPTY_POLLS for door in self._doors)
                polled = any(door.polled and not door.missing for door in self._doors)
                if ending and not polled and await self._nothing_left():
                    nursery.cancel_scope.cancel()
                    return
                doors = [] if ending else self._open_doors()
                now = trio.current_time()
                door, wanted = next(((one, some) for one in doors if (some := self._wanted(one, now)) > 0), (None, 0))
                if door:
                    self._since_normal = self._turns_after(door)
                    poll = door.begin(min(BATCH, wanted), now)
                    nursery.start_soon(self._poll, door, poll)
                else:
                    with trio.move_on_after(self._pause(doors, now) if doors else self._obstructed()):
                        await self._lot.park()

    def _open_doors(self) -> list[Poller]:
        """Those where asking is of use now, should more be wanted, in the order in which they are to be asked."""
        if self._paused or self._kit.driver.failing:
            return []
        doors = [door for door in self._doors if door.open]
        return doors[::-1] if self._since_normal >= SHARE - 1 else doors

    def _turns_after(self, asked: Poller) -> int:
        if asked.priority is Priority.NORMAL:
            return 0
        return self._since_normal + (not asked.empty)

    def _obstructed(self) -> float:
        """For how long asking will be of no use, unless somebody nudges: a poll does when it ends."""
        suffice = self._paused or not any(door.open for door in self._doors)
        return math.inf if suffice else _LONGEST_PAUSE

    def _wanted(self, door: Poller, now: float) -> int:
        """How many messages more would be good to have of a queue."""
        asked = self._asked(door, now)
        room = MOST_HELD - len(self._kit.inflight) - asked
        ready_queue, queued = self._kit.ready_queue, self._queued(asked)
        if ready_queue.average is None:
            # Nothing is known of how long tasks take: one chunk for each slot.
            return min(room, ready_queue.slots - ready_queue.running - queued)
        if ready_queue.shortage(queued, LEAD) <= 0:
            return 0
        return min(room, math.ceil(ready_queue.shortage(queued, 2 * LEAD) / self._tasks_a_chunk))

    def _asked(self, door: Poller, now: float) -> int:
        """How many messages are on their way, as far as they matter to one more poll at that door."""
        return door.asked + sum(other.promises(now) for other in self._doors if other is not door)

    def _queued(self, asked: int) -> int:
        """How many tasks wait for a slot, those included that were asked for."""
        return round(self._kit.inflight.queued + asked * self._tasks_a_chunk)

    def _pause(self, doors: Sequence[Poller], now: float) -> float:
        """For how long nothing will be wanted of them, unless somebody nudges."""
        pauses = [end for other in self._doors if (end := other.hope_ends(now)) is not None]
        for door in doors:
            if self._kit.ready_queue.average is None:
                pauses.append(_LONGEST_SURMISE)
            else:
                pauses.append(self._kit.ready_queue.supply(self._queued(self._asked(door, now))) - LEAD)
        return min(_LONGEST_SURMISE, max(0.002, min(pauses)))

    def _unwanted(self, poll: Poll) -> bool:
        """Whether the other queue gave so much, while a poll listened, that others had better have what it brings."""
        if len(self._doors) == 1 or poll.counted_on(trio.current_time()):
            return False
        ready_queue, queued = self._kit.ready_queue, self._queued(0)
        if ready_queue.average is None:
            return queued + ready_queue.running >= ready_queue.slots
        return ready_queue.supply(queued) > SATED

    async def _poll(self, door: Poller, poll: Poll) -> None:
        wait = self._kit.settings.poll_seconds
        if self._until_empty:
            wait = min(wait, _CAREFUL_WAIT)
        hidden_until = trio.current_time() + self._kit.settings.visibility_seconds
        try:
            deliveries = await door.queue.receive(poll.limit, wait, self._kit.settings.visibility_seconds)
        except (NoFleet, AccessDenied) as error:
            await (self._failed(door, error) if door.priority is Priority.NORMAL else self._miss(door, error))
        except CloudKonError as error:
            await self._failed(door, error)
        else:
            door.missing = False
            door.empty = 0 if deliveries else door.empty + 1
            if door.priority is Priority.HIGH:
                deliveries = [replace(delivery, priority=door.priority) for delivery in deliveries]
            if self._closed.is_set() or self._unwanted(poll):
                # At once, and not when all polls are over: what we release may come to our own polls first.
                await self._kit.queue_client.give_back(deliveries)
                return
            await self._receive(door, deliveries, hidden_until, poll.limit)
            if not deliveries and wait == 0:
                await trio.sleep(self._kit.rng.uniform(0.05, min(_LONGEST_PAUSE, 0.05 * 2 ** min(door.empty, 5))))
        finally:
            door.end(poll)
            self._lot.unpark()

    async def _receive(self, door: Poller, deliveries: Sequence[Delivery], hidden_until: float, limit: int) -> None:
        more = len(deliveries) >= limit
        left = [one for one in deliveries if not await self._take_in(one, hidden_until, more=more)]
        await self._leave(left)
        if left and len(left) == len(deliveries):
            await self._rest(door, _LONGEST_COURTESY)
        else:
            door.fruitless = 0

    async def _failed(self, door: Poller, error: CloudKonError) -> None:
        self._kit.log.warning("receive-failed", error=str(error))
        await self._rest(door)

    async def _miss(self, door: Poller, error: CloudKonError) -> None:
        """Do without a queue of high priority: the fleet, or the worker's role, is of before there were two."""
        if not door.missing:
            self._kit.log.warning("high-queue-missing", error=str(error))
        door.missing = True
        self._lot.unpark()
        with trio.move_on_after(_MISSING_SECONDS):
            await self._closed.wait()

    async def _rest(self, door: Poller, longest: float = _LONGEST_BACKOFF) -> None:
        """Wait before it is asked again, longer each time, and no longer than until the intake closes."""
        door.fruitless += 1
        door.resting += 1
        with trio.move_on_after(self._kit.rng.uniform(0.1, min(longest, 0.2 * 2 ** min(door.fruitless, 6)))):
            await self._closed.wait()
        door.resting -= 1

    async def _take_in(self, delivery: Delivery, hidden_until: float, *, more: bool) -> bool:
        """See to a message; ``False`` if it must be left for later, or to newer workers."""
        try:
            message = read_message(delivery.body)
            chunk = message if isinstance(message, Chunk) else await self._payloads.fetch(message)
            self._check_handlers(chunk)
        except CloudKonError as error:
            passing = isinstance(error, NewerVersion) or not isinstance(error, MalformedMessage)
            if passing and delivery.receives < MOST_RECEIPTS:
                action = "message-newer" if isinstance(error, NewerVersion) else "payload-unavailable"
                self._kit.log.warning(action, message=delivery.message_id, error=str(error))
                return False
            self._kit.log.warning("message-rejected", message=delivery.message_id, error=str(error))
            self._on_rejection(Rejection(delivery, str(error)))
            return True
        # The mean of the first ten, so that a worker does not begin by hoarding long chunks; then a moving average.
        self._chunks_seen = min(10, self._chunks_seen + 1)
        self._tasks_a_chunk += (len(chunk) - self._tasks_a_chunk) / self._chunks_seen
        if known := self._kit.inflight.find(chunk.key):
            known.add(delivery)
            return True
        arrival = ReceivedChunk.of(chunk, delivery, hidden_until)
        self._kit.inflight.arrivals[chunk.key] = arrival
        self._on_arrival(arrival, more=more)
        return True

    async def _leave(self, deliveries: Sequence[Delivery]) -> None:
        """Put messages back, each for twice as long as the last time."""
        longest = self._kit.settings.visibility_seconds
        by_wait: dict[float, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            by_wait[min(longest, 2.0 ** min(delivery.receives - 1, 32))].append(delivery)
        for wait, some in by_wait.items():
            await self._kit.queue_client.give_back(some, self._kit.rng.uniform(wait / 2, wait))

    def _check_handlers(self, chunk: Chunk) -> None:
        for word in {word_of(instruction) for instruction in chunk.instructions}:
            self._check(word)

    async def _nothing_left(self) -> bool:
        """Whether the queues are empty, nothing is in flight elsewhere, and nothing is in our hands."""
        for door in self._doors:
            door.empty = 1
        if len(self._kit.inflight):
            return False
        try:
            return (await self._queues.depth()).empty
        except CloudKonError as error:
            self._kit.log.warning("depth-failed", error=str(error))
            return False
