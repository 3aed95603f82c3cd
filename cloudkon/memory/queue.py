"""Implements the queue in memory, with SQS's delivery: a message that is not deleted in time comes back.

A message that comes back has a new handle. Every operation takes constant or logarithmic time, because
``python -m images.worker --local`` also uses this queue.
"""

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import trio

from cloudkon.model import Delivery, Depth, Outgoing
from cloudkon.ports.batch import check_body, check_messages
from cloudkon.ports.queue import MOST_VISIBILITY, QueueOutcome
from cloudkon.settings import LONGEST_POLL

_SPARE_EXPIRIES = 1024
"""Outdated expiries that may be kept before they are removed."""


@dataclass(slots=True)
class _Message:
    """A message on the queue. Times are trio's, in seconds; ``visible_at`` is ``None`` while the message is visible."""

    message_id: str
    content: Outgoing
    receives: int = 0
    visible_at: float | None = None
    received_at: float = 0.0

    @property
    def handle(self) -> str:
        return f"{self.message_id}#{self.receives}"


class _Expiry(NamedTuple):
    """When a delivery's invisibility may end. Outdated if the message has another ``visible_at`` by then."""

    at: float
    order: int
    message: _Message


class MemoryQueue:
    """One queue. Its clock is trio's, so a virtual clock works too.

    Messages are delivered in the order of their arrival; a message that came back goes to the end. A stale handle
    deletes nothing and is GONE; on SQS its effect is undefined. Hiding a delivery for more than 12 h from its receipt
    is GONE too, as ``SqsQueue`` translates SQS's refusal.
    """

    def __init__(self) -> None:
        """Make an empty queue."""
        self._messages: dict[str, _Message] = {}
        self._visible: OrderedDict[str, _Message] = OrderedDict()
        self._expiries: list[_Expiry] = []
        self._numbers = count(1)
        self._waiting = trio.lowlevel.ParkingLot()

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        """Put messages on the queue."""
        check_messages(len(messages))
        for content in messages:
            check_body(content.body)
        await trio.lowlevel.checkpoint()
        for content in messages:
            message = _Message(f"message-{next(self._numbers)}", content)
            self._messages[message.message_id] = message
            self._show(message)
        return [QueueOutcome.DONE] * len(messages)

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        """Receive up to ``limit`` messages. Wait up to ``wait`` seconds for the first one."""
        check_messages(limit)
        await trio.lowlevel.checkpoint()
        give_up_at = trio.current_time() + min(wait, LONGEST_POLL)
        while True:
            self._show_expired()
            if self._visible:
                return [self._deliver(visibility) for _ in range(min(limit, len(self._visible)))]
            if trio.current_time() >= give_up_at:
                return []
            next_expiry = self._expiries[0].at if self._expiries else give_up_at
            with trio.move_on_at(min(give_up_at, next_expiry)):
                await self._waiting.park()

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        """Delete the messages of these deliveries."""
        check_messages(len(deliveries))
        await trio.lowlevel.checkpoint()
        return [self._delete(delivery) for delivery in deliveries]

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """Keep each delivery invisible for the given seconds from now. 0 makes it visible at once."""
        check_messages(len(deliveries))
        await trio.lowlevel.checkpoint()
        self._show_expired()
        return [self._set_visibility(one, wait) for one, wait in zip(deliveries, seconds, strict=True)]

    async def depth(self) -> Depth:
        """Return the number of messages, which is exact here."""
        await trio.lowlevel.checkpoint()
        self._show_expired()
        return Depth(visible=len(self._visible), in_flight=len(self._messages) - len(self._visible), delayed=0)

    async def purge(self) -> None:
        """Delete all messages."""
        await trio.lowlevel.checkpoint()
        self._messages.clear()
        self._visible.clear()
        self._expiries.clear()

    def _show(self, message: _Message) -> None:
        message.visible_at = None
        self._visible[message.message_id] = message
        self._waiting.unpark()

    def _deliver(self, visibility: float) -> Delivery:
        _, message = self._visible.popitem(last=False)
        message.receives += 1
        message.received_at = trio.current_time()
        self._hide(message, visibility)
        return Delivery(
            message.message_id, message.handle, message.content.body, message.receives, message.content.attributes
        )

    def _hide(self, message: _Message, seconds: float) -> None:
        message.visible_at = trio.current_time() + min(seconds, MOST_VISIBILITY)
        heapq.heappush(self._expiries, _Expiry(message.visible_at, next(self._numbers), message))
        if len(self._expiries) > 2 * len(self._messages) + _SPARE_EXPIRIES:
            # Deliveries that were deleted or hidden for longer leave outdated expiries: remove them, to bound memory.
            self._expiries = [expiry for expiry in self._expiries if self._is_current(expiry)]
            heapq.heapify(self._expiries)

    def _is_current(self, expiry: _Expiry) -> bool:
        return expiry.message.visible_at == expiry.at and expiry.message.message_id in self._messages

    def _show_expired(self) -> None:
        now = trio.current_time()
        while self._expiries and (self._expiries[0].at <= now or not self._is_current(self._expiries[0])):
            expiry = heapq.heappop(self._expiries)
            if self._is_current(expiry):
                self._show(expiry.message)

    def _owned(self, delivery: Delivery) -> _Message | None:
        message = self._messages.get(delivery.message_id)
        return message if message is not None and message.handle == delivery.handle else None

    def _delete(self, delivery: Delivery) -> QueueOutcome:
        message = self._owned(delivery)
        if message is None:
            return QueueOutcome.GONE
        del self._messages[message.message_id]
        self._visible.pop(message.message_id, None)
        return QueueOutcome.DONE

    def _set_visibility(self, delivery: Delivery, seconds: float) -> QueueOutcome:
        message = self._owned(delivery)
        if message is None or message.visible_at is None:
            return QueueOutcome.GONE
        if trio.current_time() + seconds > message.received_at + MOST_VISIBILITY:
            # It stays hidden for as long as before.
            return QueueOutcome.GONE
        if seconds <= 0:
            self._show(message)
        else:
            self._hide(message, seconds)
            # Polls wait for the next expiry, and this one may be earlier: wake them all.
            self._waiting.unpark_all()
        return QueueOutcome.DONE
