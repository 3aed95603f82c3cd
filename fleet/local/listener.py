"""Takes the emulator's port for as long as the supervisor lives.

The supervisor listens, and hands the socket to each start of the emulator. So no other program can take the port
between two starts, and clients of a crashed emulator wait for its next start. Linux lets no other socket, of whatever
user, listen on this address and port: with SO_REUSEPORT only if both sockets have it, with SO_REUSEADDR never where one
of them listens already. A listener on all addresses, where the kernel allows one, gets no connection that is meant for
this one.
"""

import socket
from typing import Final

HOST: Final = "127.0.0.1"
"""Loopback only: other machines must not reach it."""
BACKLOG: Final = 1024
"""Connections that may wait for the emulator; the kernel's own limit (net.core.somaxconn) may be lower."""


def listen(before: int = 0) -> socket.socket:
    """Listen on the port of the last start if it is free, else on any free port. Raises ``OSError`` if there is none.

    The port is kept where it can be, because the queue URLs that the emulator saves contain it.
    """
    for port in (before, 0):
        listener = socket.socket()
        try:
            # A port whose last connections are in TIME_WAIT counts as free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            continue
        return listener
    raise OSError("no port is free on loopback")


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    return int(listener.getsockname()[1])
