"""Runs one command line of CloudKon as a user types it, and ends it when the trial must end."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

CHECKOUT: Final = Path(__file__).parents[2]
POLL_SECONDS: Final = 5.0
END_SECONDS: Final = 30.0
"""How long a program may take to end after SIGINT."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and its standard output."""

    code: int
    output: str


class Execute(Protocol):
    """Runs a program; the offline tests have one that starts nothing."""

    def __call__(
        self, words: tuple[str, ...], environment: Mapping[str, str], seconds: float, watch: Callable[[], None]
    ) -> Finished:
        """Run ``python -m WORDS`` for at most that many seconds, and call ``watch`` often, which may raise."""
        ...


def execute(
    words: tuple[str, ...], environment: Mapping[str, str], seconds: float, watch: Callable[[], None]
) -> Finished:
    """Run the program; its progress goes to this terminal. Raises ``subprocess.TimeoutExpired``.

    What ``watch`` raises ends it.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *words], env=environment, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    deadline = monotonic() + seconds
    try:
        while True:
            try:
                output, _ = process.communicate(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                watch()
                if monotonic() > deadline:
                    raise
            else:
                return Finished(process.returncode, output)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that still runs: first as Ctrl-C does, so that it says what it leaves."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=END_SECONDS)
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
