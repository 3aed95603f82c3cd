"""Makes loopback addresses that answer no connection: their queue is full, so the kernel drops what arrives."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def black_holes(addresses: Iterable[str], port: int) -> Iterator[None]:
    """Let these addresses of 127.0.0.0/8 drop every connection to the port while the context lasts."""
    with ExitStack() as sockets:
        for address in addresses:
            listening = sockets.enter_context(socket.create_server((address, port), backlog=0))
            while _connects(sockets, listening.getsockname()):
                pass
        yield


def _connects(sockets: ExitStack, address: tuple[str, int]) -> bool:
    """Take a place in the queue; return whether there was one."""
    filling = sockets.enter_context(socket.socket())
    filling.settimeout(0.2)
    try:
        filling.connect(address)
    except TimeoutError:
        return False
    return True
