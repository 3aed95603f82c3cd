"""The worker's end of the socket to one guard of command lines, and which process that guard is."""

import array
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio

from cloudkon.process_tree import kill_tree, send_signal, start_ticks

from .command_server import RECEIVED, STATUS
from .guard import KILL_SECONDS

_START_SECONDS: Final = 30.0
"""How long a guard may take to answer its first request, for which it is forked, on a busy machine."""


class GuardConnection:
    """One guard. A command line can kill it, or stop it and so keep what it guards alive."""

    def __init__(self, ours: socket.socket) -> None:
        """``ours`` does not block."""
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        self._pid = self._started = 0

    async def request(self, request: bytes, outputs: Sequence[int]) -> bool:
        """Send the guard what to run, with its outputs; return whether it has received that.

        It has not if it was killed before. One that was stopped is killed, so that it does not run that later.
        """
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", outputs))]
        patience = KILL_SECONDS if self._pid else _START_SECONDS
        with trio.move_on_after(patience) as scope, suppress(OSError, trio.BrokenResourceError):
            sent = await self._stream.socket.sendmsg([request], rights)
            await self._stream.send_all(request[sent:])
            if answer := await self._receive(RECEIVED.size):
                self._pid, self._started = RECEIVED.unpack(answer)
                return True
        if scope.cancelled_caught:
            await self._kill()
            self.close()
        return False

    async def wait(self) -> int | None:
        """Return the wait status of the command line when it has ended; ``None`` if the guard was killed before."""
        with suppress(trio.BrokenResourceError):
            if answer := await self._receive(STATUS.size):
                status: int = STATUS.unpack(answer)[0]
                return status
        return None

    async def end(self) -> None:
        """Have the guard kill what it guards, and end; if it can't, do both. Return when nothing is left."""
        if self._pid:
            # The command line may have stopped it.
            send_signal(self._pid, signal.SIGCONT, lambda: start_ticks(self._pid) == self._started)
        with trio.CancelScope(shield=True):
            with (
                trio.move_on_after(KILL_SECONDS) as scope,
                suppress(trio.BrokenResourceError, trio.ClosedResourceError),
            ):
                await self._stream.send_eof()
                await self.wait()
            if scope.cancelled_caught:
                # The command line stops it again and again.
                await self._kill()
        self.close()

    def close(self) -> None:
        """Let the guard end, if it runs nothing."""
        self._stream.socket.close()

    async def _kill(self) -> None:
        """Kill the guard, if it has ever answered, and what it guards."""
        if self._pid:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(kill_tree, self._pid, self._started)

    async def _receive(self, size: int) -> bytes:
        """Return so many bytes; nothing if the guard has ended before it had sent them."""
        answer = b""
        while len(answer) < size:
            piece = await self._stream.receive_some(size - len(answer))
            if not piece:
                return b""
            answer += piece
        return answer
