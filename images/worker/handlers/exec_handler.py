"""Runs ``exec COMMAND LINE`` with ``/bin/sh -c``, in its own process group."""

import os
import signal
import subprocess

import trio

from cloudkon.errors import CloudKonError
from cloudkon.handler import Context
from cloudkon.instructions.exec import check_exec
from cloudkon.model.result import OUTPUT_LIMIT

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""The environment variables that a command gets; none of them leads to credentials."""
_GUARDED = """
exec 3<&0 </dev/null
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
exec 3<&-
exec /bin/sh -c "$1"
"""
"""Runs the command line beside a guard that kills the whole group when the worker's end of the pipe closes.

The kernel's death signal (prctl) can't be used: it is sent when the thread that started the process ends, and trio ends
threads that were idle for ten seconds.
"""
_LINGER_SECONDS = 1.0
"""How long to read output after the end: a process that left the group can keep the pipes open for ever."""
_ERROR_BYTES = 1000
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""Exit codes of a shell that was killed, or whose last program was: the kernel kills when memory runs out."""


class CommandFailed(CloudKonError):
    """A command line ended with an exit code that isn't 0, or by a signal."""


async def run_command(arguments: str, context: Context) -> str:
    """Run a command line in the task's scratch directory; return the end of its standard output.

    The whole process group is killed when the attempt is cancelled (time-out, lost lease, end of the stop timeout) and
    when the worker dies.
    """
    check_exec(arguments)
    process = await trio.lowlevel.open_process(
        ["/bin/sh", "-c", _GUARDED, "sh", arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=context.scratch_directory(),
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        | {"CLOUDKON_TASK": str(context.task), "CLOUDKON_ATTEMPT": str(context.attempt)},
        start_new_session=True,
    )
    tails = {"stdout": b"", "stderr": b""}

    async def drain(name: str, stream: trio.abc.ReceiveStream) -> None:
        async for data in stream:
            tails[name] = (tails[name] + data)[-OUTPUT_LIMIT:]

    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with process.stdin, process.stdout, process.stderr, trio.open_nursery() as nursery:
            nursery.start_soon(drain, "stdout", process.stdout)
            nursery.start_soon(drain, "stderr", process.stderr)
            code = await process.wait()
            # Processes that the command left in the background end with it.
            _kill_group(process.pid)
            nursery.cancel_scope.deadline = trio.current_time() + _LINGER_SECONDS
    finally:
        _kill_group(process.pid)
        with trio.CancelScope(shield=True):
            await process.wait()
    if code:
        how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
        if code in _KILLED:
            how += ", perhaps since it ran out of memory"
        tail = _tail(tails["stderr"], _ERROR_BYTES)
        raise CommandFailed(f"{how}: {tail}" if tail else how)
    return _tail(tails["stdout"], OUTPUT_LIMIT)


def _tail(data: bytes, limit: int) -> str:
    """Return the last ``limit`` bytes as text; replacement characters for invalid UTF-8 count with their own bytes."""
    return data.decode(errors="replace").encode()[-limit:].decode(errors="ignore").strip()


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
