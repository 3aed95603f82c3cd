"""Intake: receives as much as will keep the slots busy, and no more.

Prefetch is measured in time: it asks for more when what is pending, running and asked for will last less than
``LEAD`` seconds. By number it would dribble with short tasks (1.7 calls a task instead of 0.5) and hoard long ones
that an idle worker elsewhere could run.
"""

import math
from collections.abc import Callable

import trio

from cloudkon.errors import CloudKonError, MalformedMessage
from cloudkon.ports import BATCH, Queue
from cloudkon.wire.message import decode_message
from cloudkon.words import Chunk, Delivery
from images.worker.holding import Arrival
from images.worker.kit import Kit
from images.worker.mailbox import Rejection

LEAD = 0.09
"""Seconds of work under which more is asked for: the time from a receive to the claim's answer, tails included."""
MOST_HELD = 300
"""Chunks that one worker holds at the most, which its heartbeats can renew in a dozen calls."""
MOST_POLLS = 4
"""Receives under way at a time; one long poll gives 10 messages each 10 to 20 ms, a core runs more."""
_EMPTY_POLLS = 3
"""Empty answers in a row before the queue's counts are believed: they are approximate and may lag."""
_CAREFUL_WAIT = 1.0
"""Seconds that a poll waits where the worker ends with the queue: an empty answer must come soon."""
_LONGEST_PAUSE = 0.5
_LONGEST_BACKOFF = 10.0


class Intake:
    """The first stage of the pipeline."""

    def __init__(
        self,
        kit: Kit,
        queue: Queue,
        check: Callable[[str], None],
        on_arrival: Callable[[Arrival], None],
        on_rejection: Callable[[Rejection], None],
        *,
        until_empty: bool,
    ) -> None:
        """``check`` raises ``MalformedMessage`` for instructions that no handler takes."""
        self._kit = kit
        self._queue = queue
        self._check = check
        self._on_arrival = on_arrival
        self._on_rejection = on_rejection
        self._until_empty = until_empty
        self._lot = trio.lowlevel.ParkingLot()
        self._polls = 0
        self._asked = 0
        self._tasks_a_chunk = 1.0
        self._empty = 0
        self._failed = 0
        self._resting = 0
        self._closed = trio.Event()

    def nudge(self) -> None:
        """Look again whether more is wanted."""
        self._lot.unpark()

    def close(self) -> None:
        """Receive nothing more; what the polls under way still bring is given back."""
        self._closed.set()
        self._lot.unpark()

    async def run(self) -> None:
        """Receive until closed, or until the queue is empty if asked so; returns when no poll is under way."""
        async with trio.open_nursery() as nursery:
            while not self._closed.is_set():
                ending = self._until_empty and self._empty >= _EMPTY_POLLS
                if ending and not self._polls and await self._nothing_left():
                    return
                may_ask = not ending and self._may_ask()
                wanted = self._wanted() if may_ask else 0
                if wanted > 0:
                    limit = min(BATCH, wanted)
                    self._polls += 1
                    self._asked += limit
                    nursery.start_soon(self._poll, limit)
                else:
                    with trio.move_on_after(self._pause() if may_ask else _LONGEST_PAUSE):
                        await self._lot.park()

    def _may_ask(self) -> bool:
        """Whether asking for more is of use now, should more be wanted."""
        polls = MOST_POLLS if self._empty == 0 else 1
        return self._polls < polls and not self._resting and not self._kit.registrar.failing

    def _wanted(self) -> int:
        """How many messages more would be good to have."""
        room = MOST_HELD - len(self._kit.custody) - self._asked
        agenda, queued = self._kit.agenda, self._queued()
        if agenda.average is None:
            # Nothing is known of how long tasks take: one chunk for each slot.
            return min(room, agenda.slots - agenda.running - queued)
        if agenda.shortage(queued, LEAD) <= 0:
            return 0
        return min(room, math.ceil(agenda.shortage(queued, 2 * LEAD) / self._tasks_a_chunk))

    def _queued(self) -> int:
        """How many tasks wait for a slot, those included that were asked for."""
        return round(self._kit.custody.queued + self._asked * self._tasks_a_chunk)

    def _pause(self) -> float:
        """For how long nothing will be wanted, unless somebody nudges."""
        if self._kit.agenda.average is None:
            return _LONGEST_PAUSE
        spare = self._kit.agenda.supply(self._queued()) - LEAD
        return min(_LONGEST_PAUSE, max(0.002, spare))

    async def _poll(self, limit: int) -> None:
        wait = self._kit.settings.poll_seconds
        if self._until_empty:
            wait = min(wait, _CAREFUL_WAIT)
        hidden_until = trio.current_time() + self._kit.settings.visibility_seconds
        try:
            deliveries = await self._queue.receive(limit, wait, self._kit.settings.visibility_seconds)
        except CloudKonError as error:
            self._kit.log.warning("receive-failed", error=str(error))
            await self._rest()
        else:
            self._failed = 0
            self._empty = 0 if deliveries else self._empty + 1
            if self._closed.is_set():
                # At once, and not when all polls are over: what we release may come to our own polls first.
                await self._kit.mailbox.give_back(deliveries)
                return
            for delivery in deliveries:
                self._take_in(delivery, hidden_until)
            if not deliveries and wait == 0:
                await trio.sleep(self._kit.rng.uniform(0.05, min(_LONGEST_PAUSE, 0.05 * 2 ** min(self._empty, 5))))
        finally:
            self._polls -= 1
            self._asked -= limit
            self._lot.unpark()

    async def _rest(self) -> None:
        """Wait before anything is asked again, longer each time, and no longer than until the intake closes."""
        self._failed += 1
        self._resting += 1
        with trio.move_on_after(self._kit.rng.uniform(0.1, min(_LONGEST_BACKOFF, 0.2 * 2 ** min(self._failed, 6)))):
            await self._closed.wait()
        self._resting -= 1

    def _take_in(self, delivery: Delivery, hidden_until: float) -> None:
        try:
            chunk = decode_message(delivery.body)
            self._check_handlers(chunk)
        except MalformedMessage as error:
            self._kit.log.warning("message-rejected", message=delivery.message_id, error=str(error))
            self._on_rejection(Rejection(delivery, str(error)))
            return
        self._tasks_a_chunk += 0.1 * (len(chunk) - self._tasks_a_chunk)
        if known := self._kit.custody.find(chunk.key):
            known.add(delivery)
            return
        arrival = Arrival.of(chunk, delivery, hidden_until)
        self._kit.custody.arrivals[chunk.key] = arrival
        self._on_arrival(arrival)

    def _check_handlers(self, chunk: Chunk) -> None:
        for instruction in chunk.instructions:
            self._check(instruction)

    async def _nothing_left(self) -> bool:
        """Whether the queue is empty, nothing is in flight elsewhere, and nothing is in our hands."""
        self._empty = 1
        if len(self._kit.custody):
            return False
        try:
            return (await self._queue.depth()).empty
        except CloudKonError as error:
            self._kit.log.warning("depth-failed", error=str(error))
            return False
