"""Runs ``exec COMMAND LINE`` with ``/bin/sh -c``, in its own session, under a guard."""

import signal

import trio

from cloudkon.errors import CloudKonError
from cloudkon.handler import Context
from cloudkon.instructions.exec import check_exec
from cloudkon.model.result import OUTPUT_LIMIT
from cloudkon.signal_names import signal_name

from ..processes.command_client import command_server
from ..processes.interpreter import plain_environment

_LINGER_SECONDS = 1.0
"""How long to read output after the end: a process of another user can't be killed, and keeps the pipes open."""
_ERROR_BYTES = 1000
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""Exit codes of a shell that was killed, or whose last program was: the kernel kills when memory runs out."""


class CommandFailed(CloudKonError):
    """A command line ended with an exit code that isn't 0, or by a signal."""


async def run_command(arguments: str, context: Context) -> str:
    """Run a command line in the task's scratch directory; return the end of its standard output.

    All processes that it started are killed when it ends, when the attempt is cancelled (time-out, lost lease, end of
    the stop timeout) and when the worker dies, whichever sessions they went into.
    """
    check_exec(arguments)
    command = await command_server().start(
        arguments,
        str(context.scratch_directory()),
        plain_environment() | {"CLOUDKON_TASK": str(context.task), "CLOUDKON_ATTEMPT": str(context.attempt)},
    )
    tails = {"stdout": b"", "stderr": b""}

    async def drain(name: str, stream: trio.abc.ReceiveStream) -> None:
        async for data in stream:
            tails[name] = (tails[name] + data)[-OUTPUT_LIMIT:]

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, "stdout", command.output)
            nursery.start_soon(drain, "stderr", command.errors)
            code = await command.wait()
            nursery.cancel_scope.deadline = trio.current_time() + _LINGER_SECONDS
    finally:
        await command.end()
    if code:
        how = f"exit code {code}" if code > 0 else f"killed by {signal_name(-code)}"
        if code in _KILLED:
            how += ", perhaps since it ran out of memory"
        tail = _tail(tails["stderr"], _ERROR_BYTES)
        raise CommandFailed(f"{how}: {tail}" if tail else how)
    return _tail(tails["stdout"], OUTPUT_LIMIT)


def _tail(data: bytes, limit: int) -> str:
    """Return the last ``limit`` bytes as text; replacement characters for invalid UTF-8 count with their own bytes."""
    return data.decode(errors="replace").encode()[-limit:].decode(errors="ignore").strip()
