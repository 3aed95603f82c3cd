"""Reads the bodies of requests within bounds of size, memory and time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from .signature import RefusedRequest

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]

MEBIBYTE: Final = 1024 * 1024
SWEEP_SECONDS: Final = 1
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
        """Forget what comes of the rest: hypercorn can't end a response beside parts that nobody takes."""
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

    def __init__(self, *, most: int, together: int, seconds: int, trusted: bool) -> None:
        """``most`` bytes for one body, ``together`` for all that are being read.

        A trusted client may be silent for ``seconds``, and is refused if its body finds no room. Others may take
        ``seconds`` for a whole body. If one finds no room, the one that has been coming for the longest time is
        refused instead: honest ones are complete after milliseconds, so those that hold the room are not.
        """
        self._most, self._room, self._seconds, self._trusted = most, together, seconds, trusted
        self._readings: dict[_Reading, None] = {}
        self._sweeping = False

    async def read(self, body: Body) -> bytes:
        """Return the whole body. Raises ``RefusedRequest`` if it is too large, too slow or one too many."""
        if body.size > self._most:
            raise RefusedRequest("EntityTooLarge", f"a body of {body.size} bytes; the most here are {self._most}")
        task = asyncio.current_task()
        assert task, "a coroutine runs in a task"
        reading = _Reading(task)
        self._readings[reading] = None
        if not self._sweeping:
            self._sweep_later()
        try:
            while not body.ended:
                if part := await body.next_part():
                    self._add(reading, part)
        except asyncio.CancelledError:
            if not reading.refusal:
                raise
            task.uncancel()
            raise reading.refusal from None
        finally:
            self._remove(reading)
        return reading.parts[0] if len(reading.parts) == 1 else b"".join(reading.parts)

    def _add(self, reading: "_Reading", part: bytes) -> None:
        reading.parts.append(part)
        reading.size += len(part)
        self._room -= len(part)
        if reading.size > self._most:
            raise RefusedRequest("EntityTooLarge", f"a body has more than {self._most} bytes")
        while self._room < 0:
            refusal = RefusedRequest("SlowDown", "too many large bodies are being sent at once")
            oldest = next(iter(self._readings))
            if self._trusted or oldest is reading:
                raise refusal
            self._end(oldest, refusal)

    def _remove(self, reading: "_Reading") -> None:
        if reading in self._readings:
            del self._readings[reading]
            self._room += reading.size

    def _end(self, reading: "_Reading", refusal: RefusedRequest) -> None:
        """End another task's ``read``, which waits for the next part, and free its memory now."""
        reading.refusal = refusal
        reading.parts.clear()
        self._remove(reading)
        reading.task.cancel()

    def _sweep_later(self) -> None:
        # One timer for all: one for each body would cost more than reading it.
        self._sweeping = True
        asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        for reading in list(self._readings):
            moved = self._trusted and reading.size != reading.size_before
            reading.seconds = 0 if moved else reading.seconds + SWEEP_SECONDS
            reading.size_before = reading.size
            if reading.seconds > self._seconds:
                self._end(reading, RefusedRequest("RequestTimeout", f"its body took more than {self._seconds} s"))
        self._sweeping = False
        if self._readings:
            self._sweep_later()


class _Reading:
    """One body that is being read."""

    __slots__ = ("parts", "refusal", "seconds", "size", "size_before", "task")

    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self.task = task
        self.parts: list[bytes] = []
        self.size = self.size_before = 0
        self.seconds = 0
        self.refusal: RefusedRequest | None = None


def _announced_size(headers: Mapping[str, str]) -> int:
    for name in ("content-length", _FRAMED):
        text = headers.get(name, "")
        if text.isascii() and text.isdecimal():
            size = int(text)
            return size if name != _FRAMED else size + size // _FRAMES_SHARE + _FRAMES_BYTES
    # A request that announces nothing and is not sent in chunks has no body (RFC 9112, 6.3).
    return -1 if "transfer-encoding" in headers else 0
