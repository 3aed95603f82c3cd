"""Programs: the command lines of the fleet and the client, as a user types them, on a fleet of the demo's own."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

OURS: Final = ("CLOUDKON_", "AWS_")
"""The user's settings with these beginnings don't count: the demo's work must never land on a fleet of theirs."""
EMULATOR: Final = "CLOUDKON_EMULATOR"
"""… except for this one: the emulator's executable."""
PATIENCE: Final = 10.0
"""Seconds that an interrupted command has to end by itself."""


class CommandFailed(Exception):
    """A command of the demo failed; it has said why."""

    def __init__(self, command: str, code: int) -> None:
        """``code`` is its exit code."""
        super().__init__(f"{command} ended with exit code {code}")
        self.code = code


class Programs:
    """Runs commands against the fleet whose state lies in ``state_dir``; shows each before it runs."""

    def __init__(self, state_dir: Path, emulator: str, console: Console, more: Mapping[str, str] | None = None) -> None:
        """``emulator`` is the executable; ``more`` are further variables for the commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._environment = {
            **kept,
            EMULATOR: emulator,
            "CLOUDKON_STATE_DIR": str(state_dir),
            "CLOUDKON_FLEET": "demo",
            **(more or {}),
        }
        self._console = console

    def say(self, what: str) -> None:
        """Tell what comes next."""
        self._console.print(f"# {what}", style="dim", highlight=False)

    def run(self, program: str, *words: object, live: bool = False) -> str:
        """Run ``python -m program words…``, and give its standard output. Raises ``CommandFailed``.

        What it says on standard error is shown if it fails, or at once if ``live``.
        """
        arguments = [str(word) for word in words]
        command = shlex.join(["python", "-m", program, *arguments])
        self._console.print(f"$ {command}", style="bold cyan", highlight=False, soft_wrap=True)
        with self._start(program, arguments, stderr=None if live else subprocess.PIPE) as process:
            try:
                output, said = process.communicate()
            except BaseException:
                _interrupt(process)
                raise
        if process.returncode:
            self._console.print((said or "").strip(), highlight=False, markup=False)
            raise CommandFailed(command, process.returncode)
        return output

    def take_down(self) -> bool:
        """Stop all that runs and delete its data; say whether that succeeded. Can't be interrupted.

        In a session of its own, since a second Ctrl-C would reach it otherwise, and leave the half running.
        """
        ignored = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with self._start(
                "fleet", ["down", "--delete-data"], stderr=subprocess.STDOUT, start_new_session=True
            ) as process:
                said, _ = process.communicate()
        finally:
            for number, handler in ignored.items():
                signal.signal(number, handler)
        if process.returncode:
            self._console.print(said, style="red", highlight=False, markup=False)
        return process.returncode == 0

    def _start(
        self, program: str, arguments: list[str], *, stderr: int | None, start_new_session: bool = False
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603  (our own programs, and no shell)
            [sys.executable, "-m", program, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=start_new_session,
            text=True,
        )


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """End a command in the way that lets it clean up, if it takes it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
