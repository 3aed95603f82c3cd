"""Runs command lines by way of the worker's command server, which is started with the first one."""

import array
import json
import os
import socket
import subprocess
from contextlib import suppress
from typing import Final

import trio

from cloudkon.errors import CloudKonError

from .command_server import HEADER, RECEIVED, STATUS, main
from .guard import KILL_SECONDS
from .interpreter import start_interpreter

_STOP_SECONDS: Final = 1.0
_TRIES: Final = 4
"""New guards that are asked to start one command line: other command lines may kill them, and their server."""


class GuardKilled(CloudKonError):
    """A command's guard was killed, so nobody knows how the command ended."""


class Command:
    """A command line that runs under a guard."""

    def __init__(self, guard: trio.SocketStream, idle: list[trio.SocketStream]) -> None:
        """Use ``CommandServer.start`` to make one. When the command has ended, its guard is ``idle``."""
        self._guard = guard
        self._idle = idle
        self._has_ended = False
        output, errors = os.pipe(), os.pipe()
        self._outputs = (output[1], errors[1])
        self.output = trio.lowlevel.FdStream(output[0])
        self.errors = trio.lowlevel.FdStream(errors[0])

    async def send(self, request: bytes) -> bool:
        """Send the guard what to run; return whether it has received that. It has not if it was killed before."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._outputs))]
        try:
            sent = await self._guard.socket.sendmsg([request], rights)
            await self._guard.send_all(request[sent:])
            return await self._guard.receive_some(len(RECEIVED)) == RECEIVED
        except (OSError, trio.BrokenResourceError):
            return False
        finally:
            for output in self._outputs:
                os.close(output)

    async def wait(self) -> int:
        """Wait until it has ended with all that it started; return its exit code, or minus the signal that ended it.

        Raises ``GuardKilled``.
        """
        answer = b""
        with suppress(trio.BrokenResourceError):
            while len(answer) < STATUS.size and (piece := await self._guard.receive_some(STATUS.size - len(answer))):
                answer += piece
        if len(answer) < STATUS.size:
            raise GuardKilled("the process that guards the command was killed")
        self._has_ended = True
        return os.waitstatus_to_exitcode(*STATUS.unpack(answer))

    async def end(self) -> None:
        """Kill it, if it runs, and all that it started; return when nothing of it is left."""
        self.output.close()
        self.errors.close()
        if self._has_ended:
            self._idle.append(self._guard)
            return
        with (
            trio.move_on_after(KILL_SECONDS, shield=True),
            suppress(GuardKilled, trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await self._guard.send_eof()
            await self.wait()
        self._guard.socket.close()


class CommandServer:
    """The worker's end of the socket to the server, and of those to the guards."""

    def __init__(self) -> None:
        """Use ``command_server``."""
        self._starting = trio.Lock()
        self._socket: socket.socket | None = None
        self._idle: list[trio.SocketStream] = []

    async def start(self, line: str, directory: str, environment: dict[str, str]) -> Command:
        """Start a command line by ``/bin/sh -c`` in a session of its own. Raises ``GuardKilled``."""
        body = json.dumps([line, directory, environment]).encode()
        request = HEADER.pack(len(body)) + body
        # Other command lines may have killed guards, and do so again.
        while self._idle:
            if command := await self._try(self._idle.pop(), request):
                return command
        for _ in range(_TRIES):
            guard, server = await self._fork_guard()
            if command := await self._try(guard, request):
                return command
            if self._socket is server:
                self._socket = None
            server.close()
        raise GuardKilled("the process that starts commands was killed again and again")

    async def _try(self, guard: trio.SocketStream, request: bytes) -> Command | None:
        """Have a guard start a command line; return nothing if it was killed before."""
        command = Command(guard, self._idle)
        try:
            if await command.send(request):
                return command
        except BaseException:
            await command.end()
            raise
        await command.end()
        return None

    async def _fork_guard(self) -> tuple[trio.SocketStream, socket.socket]:
        """Have a guard forked; return its server too. It ends at once if that has been killed."""
        async with self._starting:
            server = self._socket = self._socket or await self._start_server()
        ours, control = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003  (it takes no keyword)
        rights = array.array("i", [control.fileno()])
        # It needs room for one byte, which there is unless the server is stopped.
        with suppress(OSError):
            server.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        control.close()
        return trio.SocketStream(trio.socket.from_stdlib_socket(ours)), server

    async def _start_server(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003  (it takes no keyword)
        try:
            process = await trio.to_thread.run_sync(start_interpreter, main, [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        trio.lowlevel.spawn_system_task(self._end_with_loop, ours, process)
        return ours

    async def _end_with_loop(self, ours: socket.socket, process: "subprocess.Popen[bytes]") -> None:
        """Let the server and its guards end when the event loop ends, and reap it."""
        try:
            await trio.sleep_forever()
        finally:
            ours.close()
            while self._idle:
                self._idle.pop().socket.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_SERVER: Final[trio.lowlevel.RunVar[CommandServer]] = trio.lowlevel.RunVar("command_server")


def command_server() -> CommandServer:
    """Return the command server of this event loop."""
    try:
        return _SERVER.get()
    except LookupError:
        _SERVER.set(CommandServer())
        return _SERVER.get()
