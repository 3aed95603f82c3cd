"""``python -m benchmarks.stub``: serves on a free port of loopback, prints its address, ends with standard input."""

import asyncio
import socket
import sys
from typing import Final

from benchmarks.stub.http import HttpConnection
from benchmarks.stub.service import Service

SEED: Final = 2014


async def serve() -> None:
    """Serve until standard input ends, which means that the benchmark has ended or has died."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    service = Service(address, int(sys.argv[1]) if len(sys.argv) > 1 else SEED)
    server = await loop.create_server(lambda: HttpConnection(service.handle), sock=listener)
    print(address, flush=True)
    ended = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
    await ended.read()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
