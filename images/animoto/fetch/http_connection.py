"""Connects to checked addresses, and makes one request over that connection, which another thread can interrupt."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import requests
import trio
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool

from .address_guard import Destination


async def connect(destination: Destination, seconds: float) -> socket.socket:
    """Return a connection to the first of the addresses that accepts one, or raise ``OSError`` or ``TooSlowError``.

    All addresses together get that many seconds, each an equal share of those that are left. A blocking connection in a
    thread could not be cancelled.
    """
    end = trio.current_time() + seconds
    trouble: OSError | trio.TooSlowError = OSError("the host has no address")
    for tried, address in enumerate(destination.addresses):
        share = (end - trio.current_time()) / (len(destination.addresses) - tried)
        try:
            with trio.fail_after(max(0.0, share)):
                return await _connect(address, destination.port)
        except (OSError, trio.TooSlowError) as error:
            trouble = error
    raise trouble


async def _connect(address: str, port: int) -> socket.socket:
    connecting = trio.socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    with connecting:
        await connecting.connect((address, port))
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return socket.socket(fileno=connecting.detach())


class Interrupter:
    """Ends a blocked read in another thread.

    Socket time-outs apply to one read: a server that sends a byte every few seconds never exceeds them, in its
    handshake and headers as well as in its body.
    """

    def __init__(self, connected: socket.socket) -> None:
        """Watch a connection. Its descriptor is duplicated, because TLS takes over the original one."""
        self._watched = connected.dup()

    def interrupt(self) -> None:
        """End the connection."""
        # The peer may have closed already, which ends the read as well.
        with suppress(OSError):
            self._watched.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Leave the connection alone from now on."""
        self._watched.close()


class PinnedAdapter(HTTPAdapter):
    """Sends one request over a connection to a checked address, whatever the host's name resolves to by now.

    Host header, TLS server name and certificate check use the name, as usual.
    """

    def __init__(self, connected: socket.socket) -> None:
        """Prepare the request. It takes over the connection."""
        self._connected = connected
        super().__init__(max_retries=0)

    def close(self) -> None:
        """Close the connection too, in case that no request took it."""
        super().close()
        self._connected.close()

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,  # noqa: ANN401  (the type that requests declares)
    ) -> HTTPConnectionPool:
        """Return the pool of the request's host, with pinned connections."""
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if not isinstance(pool, HTTPConnectionPool):
            raise TypeError(f"urllib3 made a {type(pool).__name__}, which can't be pinned")
        pinned = _PinnedHTTPS if pool.scheme == "https" else _PinnedHTTP
        pool.ConnectionCls = partial(pinned, self._connected)  # type: ignore[assignment]  # creates a connection
        return pool


class _Pinned(HTTPConnection):
    def __init__(self, connected: socket.socket, **options: Any) -> None:  # noqa: ANN401  (urllib3's)
        super().__init__(**options)
        self._connected = connected

    def _new_conn(self) -> socket.socket:
        """Return the connection, where urllib3 would resolve the host's name and connect."""
        self._connected.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
        return self._connected


class _PinnedHTTP(_Pinned):
    pass


class _PinnedHTTPS(_Pinned, HTTPSConnection):
    pass
