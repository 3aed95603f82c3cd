"""Defines what a queue gives and accepts: deliveries, messages to send, and its depth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cloudkon.model.priority import Priority


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receipt of a message."""

    message_id: str
    """The message's id, the same in all its deliveries."""
    handle: str
    """This delivery's receipt handle. Only the handle of a message's newest delivery counts."""
    body: str
    receives: int = 1
    """How many times the message was received so far, this time included."""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The message's string attributes, as its sender set them."""
    sent: float = 0.0
    """When the message was sent, in epoch seconds; 0.0 if the queue does not report it."""
    priority: Priority = Priority.NORMAL
    """Which of the pool's two queues it came from. The handle is valid on that queue only."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send: its body and its string attributes (SQS allows 10)."""

    body: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Depth:
    """The approximate number of messages on a queue, as SQS counts them."""

    visible: int
    """Messages that can be received now."""
    in_flight: int
    """Messages that were received and are invisible until they are deleted or come back."""
    delayed: int
    """Messages that were sent and can't be received yet."""

    @property
    def empty(self) -> bool:
        """Whether the queue has no messages at all."""
        return not (self.visible or self.in_flight or self.delayed)

    def __add__(self, other: Self) -> Self:
        """Add up the depths of two queues."""
        return type(self)(self.visible + other.visible, self.in_flight + other.in_flight, self.delayed + other.delayed)
