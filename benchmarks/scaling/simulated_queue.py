"""Simulates a queue by two counts: visible messages and messages in flight, each with the same work."""

from dataclasses import dataclass


@dataclass
class SimulatedQueue:
    """The queue. ``first`` is when the first message was received, ``last`` when the last one was deleted (seconds)."""

    message_seconds: float
    visible: int = 0
    in_flight: int = 0
    first: float | None = None
    last: float = 0.0

    def take(self, now: float) -> bool:
        """Receive a message; return whether one was visible."""
        if not self.visible:
            return False
        self.visible, self.in_flight = self.visible - 1, self.in_flight + 1
        self.first = now if self.first is None else self.first
        return True

    def done(self, now: float) -> None:
        """Delete a message."""
        self.in_flight -= 1
        self.last = max(self.last, now)

    def release(self) -> None:
        """Make a message visible again."""
        self.visible, self.in_flight = self.visible + 1, self.in_flight - 1
