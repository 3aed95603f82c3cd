"""Reads the bodies of requests within bounds of size, memory and time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from .signature import RefusedRequest

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]

MEBIBYTE: Final = 1024 * 1024
DRAIN_SECONDS: Final = 2.0
"""How long the rest of a refused request is read, so that its client reads the reason and no broken connection."""
_FRAMED: Final = "x-amz-decoded-content-length"
"""The size of a body that is sent in S3's own chunks, without what frames them."""
_FRAMES_SHARE, _FRAMES_BYTES = 16, 65_536
"""Frames take a 16th of the content at most, with chunks of 8 KiB or more; signatures and checksums at the end more."""


class Body:
    """The body of one request, as it comes."""

    __slots__ = ("_receive", "ended", "size")

    def __init__(self, headers: Mapping[str, str], receive: Receive) -> None:
        """``headers`` have names in lower case."""
        self._receive = receive
        self.size = _announced_size(headers)
        """Its bytes as the client announces them, or more; -1 if it does not."""
        self.ended = False

    async def next_part(self) -> bytes:
        """Return the next part. Raises ``RefusedRequest`` when the client is gone."""
        message = await self._receive()
        if message["type"] != "http.request":
            self.ended = True
            raise RefusedRequest("RequestTimeout", "the client left")
        self.ended = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part

    async def drain(self, most: int) -> None:
        """Read the rest and forget it, if the whole has ``most`` bytes at the most."""
        if 0 <= self.size <= most:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._forget_rest()

    @asynccontextmanager
    async def forgotten(self) -> AsyncIterator[None]:
        """Forget in this block what comes of the rest. Hypercorn can't end a response beside parts that nobody takes."""
        forgetting = asyncio.create_task(self._forget_rest())
        try:
            yield
        finally:
            forgetting.cancel()

    async def _forget_rest(self) -> None:
        with suppress(RefusedRequest):
            while not self.ended:
                await self.next_part()


class Reader:
    """Reads bodies of one kind, which together take a bounded amount of memory while they come."""

    def __init__(self, *, most: int, together: int, seconds: float, trusted: bool) -> None:
        """``most`` bytes for one body, ``together`` for all that are being read.

        A trusted client may take ``seconds`` for each part, and is refused if its body finds no room. Others may take
        ``seconds`` for a whole body. If one finds no room, the one that has been coming for the longest time is
        refused instead: honest ones are complete after milliseconds, so those that hold the room are not.
        """
        self._most, self._room, self._seconds, self._trusted = most, together, seconds, trusted
        self._readings: dict[_Reading, None] = {}

    async def read(self, body: Body) -> bytes:
        """Return the whole body. Raises ``RefusedRequest`` if it is too large, too slow or one too many."""
        if body.size > self._most:
            raise RefusedRequest("EntityTooLarge", f"a body of {body.size} bytes; the most here are {self._most}")
        reading = _Reading()
        try:
            async with asyncio.timeout(self._seconds) as reading.deadline:
                self._readings[reading] = None
                while not body.ended:
                    part = await body.next_part()
                    if reading.evicted:
                        break
                    if part:
                        self._add(reading, part)
        except TimeoutError:
            if not reading.evicted:
                raise RefusedRequest("RequestTimeout", f"the body took more than {self._seconds:.0f} s") from None
        finally:
            self._remove(reading)
        if reading.evicted:
            raise RefusedRequest("SlowDown", "too many large bodies are being sent at once")
        return reading.parts[0] if len(reading.parts) == 1 else b"".join(reading.parts)

    def _add(self, reading: "_Reading", part: bytes) -> None:
        reading.parts.append(part)
        reading.size += len(part)
        self._room -= len(part)
        if reading.size > self._most:
            raise RefusedRequest("EntityTooLarge", f"a body has more than {self._most} bytes")
        while self._room < 0:
            evicted = reading if self._trusted else next(iter(self._readings))
            self._remove(evicted)
            evicted.evict()
        if self._trusted and not reading.evicted:
            reading.allow(self._seconds)

    def _remove(self, reading: "_Reading") -> None:
        if reading in self._readings:
            del self._readings[reading]
            self._room += reading.size


class _Reading:
    """One body that is being read."""

    __slots__ = ("deadline", "evicted", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.evicted = False
        self.deadline: asyncio.Timeout | None = None

    def evict(self) -> None:
        """Let its ``read`` end with an error, and free the memory now."""
        self.evicted = True
        self.parts.clear()
        self.allow(0.0)

    def allow(self, seconds: float) -> None:
        """Set the time that is left, from now."""
        if self.deadline and not self.deadline.expired():
            self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)


def _announced_size(headers: Mapping[str, str]) -> int:
    for name in ("content-length", _FRAMED):
        text = headers.get(name, "")
        if text.isascii() and text.isdecimal():
            size = int(text)
            return size if name != _FRAMED else size + size // _FRAMES_SHARE + _FRAMES_BYTES
    # A request that announces nothing and is not sent in chunks has no body (RFC 9112, 6.3).
    return -1 if "transfer-encoding" in headers else 0
