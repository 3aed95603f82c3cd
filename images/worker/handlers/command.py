"""``exec COMMAND LINE``: run by ``/bin/sh -c`` in a process group of its own."""

import os
import shutil
import signal
import subprocess

import trio

from cloudkon.errors import CloudKonError
from cloudkon.instructions.command import check_exec
from cloudkon.words.result import OUTPUT_LIMIT
from images.worker.context import Context

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What a command sees of the worker's environment: nothing that leads to credentials."""


class CommandFailed(CloudKonError):
    """A command line ended with an exit code that isn't 0, or by a signal."""


async def run_command(arguments: str, context: Context) -> str:
    """Run it in the task's scratch directory; give the end of its standard output.

    When the attempt is cancelled (time-out, lost lease, shutdown's end), the whole group is killed. ``setpriv``,
    where there is one, kills the shell too should the worker itself be killed.
    """
    check_exec(arguments)
    setpriv = shutil.which("setpriv")
    command = ["/bin/sh", "-c", arguments]
    process = await trio.lowlevel.open_process(
        [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command,
        stdin=subprocess.DEVNULL,
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

    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, "stdout", process.stdout)
            nursery.start_soon(drain, "stderr", process.stderr)
            code = await process.wait()
            # What the command left running in the background holds the pipes open: it ends with the command.
            _kill_group(process.pid)
    finally:
        _kill_group(process.pid)
        with trio.CancelScope(shield=True):
            await process.wait()
    if code:
        how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
        tail = tails["stderr"].decode(errors="replace").strip()[-1000:]
        raise CommandFailed(f"{how}: {tail}" if tail else how)
    return tails["stdout"].decode(errors="replace").strip()


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
