"""Delivery: one receipt of a message, and what surrounds it on a queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cloudkon.model.priority import Priority


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receipt of a message.

    ``message_id`` names the message, ``handle`` this receipt of it: after another delivery of the same message
    only the newest handle counts. ``receives`` is how often the message was received so far, this one included,
    ``attributes`` what its sender said about it, ``sent`` when that was, in epoch seconds (0: the queue does not tell),
    ``priority`` which of the pool's queues it came from: its handle means nothing to the other.
    """

    message_id: str
    handle: str
    body: str
    receives: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    sent: float = 0.0
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send: its body and its string attributes (SQS allows 10)."""

    body: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, by SQS's approximate counts."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def empty(self) -> bool:
        """Whether nothing is on the queue, in whatever state."""
        return not (self.visible or self.in_flight or self.delayed)

    def __add__(self, other: Self) -> Self:
        """What two queues hold together."""
        return type(self)(self.visible + other.visible, self.in_flight + other.in_flight, self.delayed + other.delayed)
