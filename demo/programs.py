"""Runs the command lines of fleet and client as a user does, on a fleet of the demo's own."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from cloudkon.programs import command, module

SETTINGS: Final = ("CLOUDKON_", "AWS_")
"""Prefixes of the user's settings that commands don't get, so that the demo never uses a fleet of the user."""
EMULATOR: Final = "CLOUDKON_EMULATOR"
"""The emulator's executable, which commands do get."""
STOP_SECONDS: Final = 10.0
"""How long an interrupted command may take to exit."""


class CommandFailed(Exception):
    """A command of the demo failed; its own output has the reason."""

    def __init__(self, command: str, code: int) -> None:
        """``code`` is its exit code."""
        super().__init__(f"{command} ended with exit code {code}")
        self.code = code


class Programs:
    """Runs commands on the fleet of ``state_dir``, and prints each command before it runs."""

    def __init__(self, state_dir: Path, emulator: str, console: Console, more: Mapping[str, str] | None = None) -> None:
        """``emulator`` is the executable; ``more`` are further variables for the commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        self._environment = {
            **kept,
            EMULATOR: emulator,
            "CLOUDKON_STATE_DIR": str(state_dir),
            "CLOUDKON_FLEET": "demo",
            **(more or {}),
        }
        self._console = console

    def announce(self, step: str) -> None:
        """Print the next step."""
        self._console.print(f"# {step}", style="dim", highlight=False)

    def run(self, program: str, *arguments: object, live: bool = False) -> str:
        """Run ``python -m program arguments…``; return its standard output. Raises ``CommandFailed``.

        Its standard error is shown if it fails, or at once with ``live``.
        """
        texts = [str(argument) for argument in arguments]
        typed = command(shlex.join([program, *texts]))
        self._console.print(f"$ {typed}", style="bold cyan", highlight=False, soft_wrap=True)
        with self._start(program, texts, stderr=None if live else subprocess.PIPE) as process:
            try:
                output, errors = process.communicate()
            except BaseException:
                _interrupt(process)
                raise
        if process.returncode:
            self._console.print((errors or "").strip(), highlight=False, markup=False)
            raise CommandFailed(typed, process.returncode)
        return output

    def take_down(self) -> bool:
        """Stop the fleet and delete its data; return whether this succeeded. It can't be interrupted.

        The command gets a session of its own: otherwise a second Ctrl-C would interrupt it halfway.
        """
        ignored = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with self._start(
                "fleet", ["down", "--delete-data"], stderr=subprocess.STDOUT, start_new_session=True
            ) as process:
                output, _ = process.communicate()
        finally:
            for number, handler in ignored.items():
                signal.signal(number, handler)
        if process.returncode:
            self._console.print(output, style="red", highlight=False, markup=False)
        return process.returncode == 0

    def _start(
        self, program: str, arguments: list[str], *, stderr: int | None, start_new_session: bool = False
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603  (our own programs, and no shell)
            [sys.executable, "-m", module(program), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=start_new_session,
            text=True,
        )


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """Interrupt a command, so that it can clean up; kill it if it does not exit."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
