"""``python -m fleet.local.processes.shim NAME@ID``: runs one process, keeps its output, and ends all that it started.

A shim stands between the supervisor and each process, as containerd's shims do:

- It reads the process's output into a bounded log, so the process goes on when the supervisor dies.
- It adopts the process's orphans (also ``setsid`` and daemons), and kills them when the process has ended.
- It dies with the same exit code or signal as its process.

The order (program, environment, log) comes as JSON on standard input, because other processes can read a command line.
It may name descriptors that the shim has inherited and hands down.
The first line of standard output is JSON too: the started process, or the error of its start.
"""

import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cloudkon.errors import EXIT_FAILED
from cloudkon.kernel import IS_LINUX, adopt_orphans, die_with_parent
from cloudkon.process_tree import children, die_by, kill_descendants

from .inspection import refuse_inspection
from .process_table import start_time
from .rotating_log import RotatingLog

KILL_ALL: Final = signal.SIGUSR1
"""Tells a shim to kill its process at once, with all that it started. SIGTERM is passed on to the process."""
IDLE_SECONDS: Final = 1.0
"""When the process is silent for so long after output was dropped, the log says how much it was."""
READ_BYTES: Final = 256 * 1024
PIPE_BYTES: Final = 1024 * 1024
"""How much output the process can write while its shim does not run."""
F_SETPIPE_SZ: Final = 1031


class Shim:
    """One process, from its start to the end of everything that it started."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], log: Path, descriptors: Sequence[int] = ()
    ) -> None:
        """Start the process, which alone keeps ``descriptors``. Raises ``OSError`` if it can't be started."""
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        # Handlers that do nothing: the wake-up pipe gets the number. The process would inherit an ignored signal.
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, KILL_ALL):
            signal.signal(number, lambda *_: None)
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        with suppress(OSError):  # the user's limit for pipes
            if IS_LINUX:
                fcntl.fcntl(self._output, F_SETPIPE_SZ, PIPE_BYTES)
        self._log = RotatingLog(log)
        self._code: int | None = None
        self._child = subprocess.Popen(  # noqa: S603  (the supervisor's order)
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=descriptors,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  (this process has one thread)
        )
        for descriptor in (output, *descriptors):
            os.close(descriptor)
        self.pid = self._child.pid

    def run(self) -> int:
        """Serve the process until it and all its descendants have ended; return its code, negative for a signal."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(self._output, selectors.EVENT_READ)
            while self._code is None:
                ready = selector.select(IDLE_SECONDS if self._log.is_dropping else None)
                for key, _ in ready:
                    if key.fd == self._wake:
                        self._handle_signals()
                    elif not self._copy_output():
                        selector.unregister(self._output)
                if not ready:
                    self._log.write(b"")
        self._end_descendants()
        while self._copy_output():
            pass
        self._log.close()
        return self._code

    def _handle_signals(self) -> None:
        for number in os.read(self._wake, READ_BYTES):
            if number == signal.SIGTERM:
                self._signal_process(signal.SIGTERM)
            elif number == KILL_ALL:
                self._signal_process(signal.SIGKILL)
        self._reap()

    def _signal_process(self, number: signal.Signals) -> None:
        # Its pid is not reused before it is reaped, which only this process does.
        if self._code is None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def _reap(self) -> None:
        """Reap the children that have ended, adopted ones too."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.pid:
                    self._code = os.waitstatus_to_exitcode(ended[1])

    def _copy_output(self) -> bool:
        """Copy what waits in the pipe; return whether there was any."""
        try:
            data = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return False
        self._log.write(data)
        return bool(data)

    def _end_descendants(self) -> None:
        """Kill what the process left running."""
        if not IS_LINUX:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            return
        if not kill_descendants():
            text = f"processes that can't be killed are left: {', '.join(map(str, sorted(children())))}\n"
            self._log.write(text.encode())


def main() -> int:
    """Carry out the order on standard input; return the exit code."""
    refuse_inspection()
    adopt_orphans()
    order: dict[str, Any] = json.load(sys.stdin)
    try:
        shim = Shim(order["arguments"], order["environment"], Path(order["log"]), order.get("descriptors", ()))
    except OSError as error:
        _answer({"error": error.strerror, "errno": error.errno, "file": str(error.filename or "")})
        return EXIT_FAILED
    del order
    _answer({"pid": shim.pid, "born": start_time(shim.pid)})
    code = shim.run()
    if code < 0:
        die_by(-code)
    return code


def _answer(value: dict[str, Any]) -> None:
    # A supervisor that was killed in the meantime reads nothing, and its process goes on.
    with suppress(OSError):
        os.write(1, json.dumps(value).encode() + b"\n")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
