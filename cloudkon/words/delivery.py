"""Delivery: one receipt of a message, and what surrounds it on a queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receipt of a message.

    ``message_id`` names the message, ``handle`` this receipt of it: after another delivery of the same message
    only the newest handle counts. ``receives`` is how often the message was received so far, this one included.
    """

    message_id: str
    handle: str
    body: str
    receives: int = 1


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
