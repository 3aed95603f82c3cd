"""Keeps SQS's queues in memory: visible messages, messages in flight, and waiting polls."""

import asyncio
import hashlib
import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

_LOOK_SECONDS: Final = 0.05
"""How often a waiting poll checks whether a hidden message is visible again."""


@dataclass(eq=False, slots=True)
class Message:
    """One message; ``handle`` is the receipt handle of its last delivery."""

    id: str
    body: str
    md5: str
    attributes: dict[str, Any]
    receives: int = 0
    handle: str = ""
    hidden_until: float = 0.0


@dataclass(eq=False)
class StubQueue:
    """One queue, in the order in which messages were sent. ``gated`` hides all messages from every poll."""

    name: str
    visibility: float = 30.0
    gated: bool = False
    visible: deque[Message] = field(default_factory=deque)
    in_flight: dict[str, Message] = field(default_factory=dict)
    polls: int = 0
    """The number of waiting long polls."""
    _hidden: list[tuple[float, int, Message, str]] = field(default_factory=list)
    _delayed: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, body: str, now: float, delay: float = 0.0, attributes: dict[str, Any] | None = None) -> Message:
        """Send a message, visible after ``delay`` seconds."""
        number = next(self._numbers)
        message = Message(
            f"{self.name}-{number}",
            body,
            hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            attributes or {},
        )
        if delay:
            self._delayed += 1
            heapq.heappush(self._hidden, (now + delay, number, message, ""))
        else:
            self.visible.append(message)
            self._arrival.set()
        return message

    def take(self, limit: int, now: float, visibility: float) -> list[Message]:
        """Receive up to ``limit`` visible messages, and hide them for ``visibility`` seconds."""
        self._reveal(now)
        if self.gated:
            return []
        taken = [self.visible.popleft() for _ in range(min(limit, len(self.visible)))]
        for message in taken:
            message.receives += 1
            message.handle = f"{message.id}.{message.receives}"
            self._hide(message, now + visibility)
        return taken

    async def wait(self, seconds: float) -> None:
        """Wait until a message may be visible, for at most ``seconds``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        self.polls += 1
        try:
            while not (self.visible and not self.gated) and (left := deadline - loop.time()) > 0:
                self._arrival.clear()
                try:
                    await asyncio.wait_for(self._arrival.wait(), min(left, _LOOK_SECONDS) if self._hidden else left)
                except TimeoutError:
                    self._reveal(loop.time())
        finally:
            self.polls -= 1

    def delete(self, handle: str) -> None:
        """Delete a message; a stale handle is accepted without an effect, as SQS may do."""
        self.in_flight.pop(handle, None)

    def hide(self, handle: str, now: float, seconds: float) -> bool:
        """Hide a message for ``seconds`` from now on; return ``False`` if it is not in flight."""
        message = self.in_flight.pop(handle, None)
        if message is None:
            return False
        if seconds:
            self._hide(message, now + seconds)
        else:
            self.visible.append(message)
            self._arrival.set()
        return True

    def open_gate(self) -> None:
        """Show the messages to the waiting polls."""
        self.gated = False
        self._arrival.set()

    def depth(self, now: float) -> dict[str, str]:
        """The attributes that count messages."""
        self._reveal(now)
        return {
            "ApproximateNumberOfMessages": str(len(self.visible)),
            "ApproximateNumberOfMessagesNotVisible": str(len(self.in_flight)),
            "ApproximateNumberOfMessagesDelayed": str(self._delayed),
        }

    def _hide(self, message: Message, until: float) -> None:
        self.in_flight[message.handle] = message
        message.hidden_until = until
        heapq.heappush(self._hidden, (until, next(self._numbers), message, message.handle))

    def _reveal(self, now: float) -> None:
        while self._hidden and self._hidden[0][0] <= now:
            _, _, message, handle = heapq.heappop(self._hidden)
            if not handle:
                self._delayed -= 1
            elif message.hidden_until > now or self.in_flight.pop(handle, None) is None:
                # It was hidden for longer since then, or deleted.
                continue
            self.visible.append(message)
            self._arrival.set()
