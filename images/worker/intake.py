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
        self._closed = False
        self.leftovers: list[Delivery] = []
        """What polls brought after the intake was closed: to be given back."""

    def nudge(self) -> None:
        """Look again whether more is wanted."""
        self._lot.unpark()

    def close(self) -> None:
        """Receive nothing more; the polls under way are waited for, since their messages are hidden already."""
        self._closed = True
        self._lot.unpark()

    async def run(self) -> None:
        """Receive until closed, or until the queue is empty if asked so; returns when no poll is under way."""
        async with trio.open_nursery() as nursery:
            while not self._closed:
                ending = self._until_empty and self._empty >= _EMPTY_POLLS
                if ending and not self._polls and await self._nothing_left():
                    return
                polls = MOST_POLLS if self._empty == 0 else 1
                wanted = 0 if ending or self._kit.registrar.failing or self._failed else self._wanted()
                if wanted > 0 and self._polls < polls:
                    limit = min(BATCH, wanted)
                    self._polls += 1
                    self._asked += limit
                    nursery.start_soon(self._poll, limit)
                else:
                    with trio.move_on_after(self._pause()):
                        await self._lot.park()

    def _wanted(self) -> int:
        """How many messages more would be good to have."""
        room = MOST_HELD - len(self._kit.custody) - self._asked
        queued = self._kit.custody.queued + self._asked * self._tasks_a_chunk
        if self._kit.agenda.average is None:
            # Nothing is known of how long tasks take: one chunk for each slot.
            return min(room, math.ceil(self._kit.agenda.slots - queued))
        lacking = LEAD - self._kit.agenda.supply(round(queued))
        if lacking <= 0:
            return 0
        tasks = (lacking + LEAD) * self._kit.agenda.slots / max(self._kit.agenda.average, 1e-6)
        return min(room, math.ceil(tasks / self._tasks_a_chunk))

    def _pause(self) -> float:
        """For how long nothing will be wanted, unless somebody nudges."""
        if self._kit.agenda.average is None:
            return _LONGEST_PAUSE
        queued = self._kit.custody.queued + self._asked * self._tasks_a_chunk
        spare = self._kit.agenda.supply(round(queued)) - LEAD
        return min(_LONGEST_PAUSE, max(0.002, spare))

    async def _poll(self, limit: int) -> None:
        wait = self._kit.settings.poll_seconds
        if self._until_empty:
            wait = min(wait, _CAREFUL_WAIT)
        hidden_until = trio.current_time() + self._kit.settings.visibility_seconds
        try:
            deliveries = await self._queue.receive(limit, wait, self._kit.settings.visibility_seconds)
        except CloudKonError as error:
            self._failed += 1
            self._kit.log.warning("receive-failed", error=str(error))
            await trio.sleep(self._kit.rng.uniform(0.1, min(_LONGEST_BACKOFF, 0.2 * 2**self._failed)))
            self._failed = 0 if self._polls == 1 else self._failed - 1
        else:
            self._empty = 0 if deliveries else self._empty + 1
            for delivery in deliveries:
                self._take_in(delivery, hidden_until)
            if not deliveries and wait == 0:
                await trio.sleep(self._kit.rng.uniform(0.05, min(_LONGEST_PAUSE, 0.05 * 2 ** min(self._empty, 5))))
        finally:
            self._polls -= 1
            self._asked -= limit
            self._lot.unpark()

    def _take_in(self, delivery: Delivery, hidden_until: float) -> None:
        if self._closed:
            self.leftovers.append(delivery)
            return
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
