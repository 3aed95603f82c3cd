"""Makes one request to checked addresses, over a connection that another thread can interrupt."""

import socket
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.util.connection import create_connection

from .address_guard import Destination


class Interrupter:
    """Ends a blocked read in another thread.

    Socket time-outs apply to one read: a server that sends a byte every few seconds never exceeds them, in its
    handshake and headers as well as in its body.
    """

    def __init__(self) -> None:
        """Begin without a connection."""
        self._lock = threading.Lock()
        self._attached: socket.socket | None = None
        self._interrupted = False

    def attach(self, connected: socket.socket) -> None:
        """Attach a connection. Its descriptor is duplicated, because TLS takes over the original one."""
        with self._lock:
            self._release()
            self._attached = connected.dup()
            if self._interrupted:
                self._shut_down()

    def interrupt(self) -> None:
        """End the attached connection, or the next one that is attached."""
        with self._lock:
            self._interrupted = True
            self._shut_down()

    def release(self) -> None:
        """Detach the connection."""
        with self._lock:
            self._release()

    def _shut_down(self) -> None:
        if self._attached is not None:
            try:
                self._attached.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The peer has closed already, which ends the read as well.
                return

    def _release(self) -> None:
        if self._attached is not None:
            self._attached.close()
            self._attached = None


class PinnedAdapter(HTTPAdapter):
    """Connects to a destination's checked addresses, whatever its name resolves to by now.

    Host header, TLS server name and certificate check use the name, as usual.
    """

    def __init__(self, destination: Destination, interrupter: Interrupter) -> None:
        """Prepare one request, whose connection is attached to ``interrupter``."""
        self._destination = destination
        self._leash = interrupter
        super().__init__(max_retries=0)

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
        pool.ConnectionCls = partial(pinned, self._destination, self._leash)  # type: ignore[assignment]  # creates a connection
        return pool


class _Pinned(HTTPConnection):
    def __init__(self, destination: Destination, interrupter: Interrupter, **options: Any) -> None:  # noqa: ANN401  (urllib3's)
        super().__init__(**options)
        self._destination = destination
        self._leash = interrupter

    def _new_conn(self) -> socket.socket:
        """Connect to the checked addresses, where urllib3 would resolve the host's name."""
        trouble: OSError | None = None
        for address in self._destination.addresses:
            try:
                connected = create_connection(
                    (address, self._destination.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                trouble = error
            else:
                self._leash.attach(connected)
                return connected
        raise trouble or OSError("the host has no address")


class _PinnedHTTP(_Pinned):
    pass


class _PinnedHTTPS(_Pinned, HTTPSConnection):
    pass
