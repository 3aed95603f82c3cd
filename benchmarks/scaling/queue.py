"""Queue: messages that wait and are in flight, each the same work."""

from dataclasses import dataclass


@dataclass
class Queue:
    """``first`` and ``last`` are when the first message was begun and the last one done, in seconds."""

    message_seconds: float
    visible: int = 0
    in_flight: int = 0
    first: float | None = None
    last: float = 0.0

    def take(self, now: float) -> bool:
        """Hand a message out, if there is one."""
        if not self.visible:
            return False
        self.visible, self.in_flight = self.visible - 1, self.in_flight + 1
        self.first = now if self.first is None else self.first
        return True

    def done(self, now: float) -> None:
        """Delete a message."""
        self.in_flight -= 1
        self.last = max(self.last, now)

    def give_back(self) -> None:
        """Make a message visible again."""
        self.visible, self.in_flight = self.visible + 1, self.in_flight - 1
