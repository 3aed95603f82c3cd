"""Serves the part of HTTP/1.1 that AWS's clients need, parsed by hand so that it costs 20 µs a request.

It has no TLS: one handshake for each connection is negligible in the long run, and what encryption costs a worker for
each call (some 50 µs of boto3's 1,000) is the same for all compared systems.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

Answer = tuple[int, Mapping[str, str], bytes]
"""Status, headers other than those of the body, and body."""
Handle = Callable[[str, str, str, bytes], Awaitable[Answer]]
"""Called with method, path, ``X-Amz-Target`` and body."""
_END_OF_HEAD: Final = b"\r\n\r\n"
_REASONS: Final = {200: b"OK", 400: b"Bad Request", 404: b"Not Found"}


class HttpConnection(asyncio.Protocol):
    """One connection. Requests are answered in order, each before the next is read."""

    def __init__(self, handle: Handle) -> None:
        """``handle`` answers every request."""
        self._handle = handle
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the responses."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        """Stop a long poll whose client is gone: it would hide a message that no client receives."""
        self._transport = None
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        """Buffer the data, and start the next request if none is being answered."""
        self._buffer += data
        if self._answering is None:
            self._next()

    def _next(self) -> None:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return
        head = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        size, start = int(headers.get("content-length", "0")), end + len(_END_OF_HEAD)
        if len(self._buffer) < start + size:
            if headers.get("expect") == "100-continue" and len(self._buffer) == start and self._transport:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        body = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        method, path, _ = head[0].split(" ")
        self._answering = asyncio.ensure_future(self._answer(method, path, headers.get("x-amz-target", ""), body))

    async def _answer(self, method: str, path: str, target: str, body: bytes) -> None:
        status, headers, content = await self._handle(method, path, target, body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{lines}Content-Length: {len(content)}\r\n\r\n".encode("latin-1")
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %d %s\r\n%s%s" % (status, _REASONS[status], head, b"" if method == "HEAD" else content)
            )
        self._answering = None
        self._next()
