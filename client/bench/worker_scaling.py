"""Sets the number of workers during a bench: by ``fleet scale``, or by asking a person."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from cloudkon.errors import EXIT_BAD_INPUT, InvalidInput, ServiceError
from cloudkon.programs import command, module


class Scaler(Protocol):
    """Sets the workers of a pool."""

    def wanted(self, pool: str) -> int | None:
        """Return how many workers the pool should have now; ``None`` if unknown."""
        ...

    def scale(self, pool: str, workers: int) -> None:
        """Set the number of workers, and return when they run."""
        ...


class FleetCommand:
    """Runs ``python -m fleet`` as another process, so that the client depends on no target."""

    def wanted(self, pool: str) -> int | None:
        """Return the number that ``fleet status`` reports."""
        pools = json.loads(_fleet("status", "--json"))["pools"]
        return int(pools[pool]["desired"])

    def scale(self, pool: str, workers: int) -> None:
        """Run ``fleet scale``. Raises ``InvalidInput`` or ``ServiceError`` with its error message if it failed."""
        _fleet("scale", str(workers), "--pool", pool)


def _fleet(*words: str) -> str:
    program = [sys.executable, "-m", module("fleet"), *words]
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  (our own program)
    if not done.returncode:
        return done.stdout
    error = last_line(done.stderr)
    what = command(f"fleet {' '.join(words)}")
    if done.returncode == EXIT_BAD_INPUT:
        raise InvalidInput(what, error)
    raise ServiceError(f"{what}: {error}")


def last_line(output: str) -> str:
    """Return the last line of a failed program's standard error, without ``error:``."""
    return (output.strip().splitlines() or ["it failed without an error message"])[-1].removeprefix("error: ")


class Person:
    """Asks a person to set the number of workers: for compose, and workers started by hand."""

    def __init__(self, ask: Callable[[str], None]) -> None:
        """``ask`` shows a text, and returns when the person has answered."""
        self._ask = ask

    def wanted(self, pool: str) -> int | None:  # noqa: ARG002  (the protocol's)
        """Return ``None``: unknown."""
        return None

    def scale(self, pool: str, workers: int) -> None:
        """Ask the person, and wait for the answer."""
        self._ask(f"Set the number of workers of pool {pool} to {workers}, then press Enter")
