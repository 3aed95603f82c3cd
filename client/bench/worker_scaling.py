"""Scaling: who sets the number of workers while a bench goes on: the fleet's own command, or a person."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from cloudkon.errors import EXIT_BAD_INPUT, InvalidInput, ServiceError


class Scaler(Protocol):
    """Sets the workers of a pool."""

    def wanted(self, pool: str) -> int | None:
        """How many the pool is to have now; ``None`` where nobody knows."""
        ...

    def scale(self, pool: str, workers: int) -> None:
        """Have so many, and return when they run."""
        ...


class FleetCommand:
    """``python -m fleet`` in a process of its own: the client knows nothing of targets, and needn't."""

    def wanted(self, pool: str) -> int | None:
        """What ``status`` says."""
        pools = json.loads(_fleet("status", "--json"))["pools"]
        return int(pools[pool]["desired"])

    def scale(self, pool: str, workers: int) -> None:
        """What ``scale`` does. Raises ``InvalidInput`` or ``ServiceError`` with what it said where it failed."""
        _fleet("scale", str(workers), "--pool", pool)


def _fleet(*words: str) -> str:
    command = [sys.executable, "-m", "fleet", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  (our own program)
    if not done.returncode:
        return done.stdout
    said = last_line(done.stderr)
    what = f"python -m fleet {' '.join(words)}"
    if done.returncode == EXIT_BAD_INPUT:
        raise InvalidInput(what, said)
    raise ServiceError(f"{what}: {said}")


def last_line(said: str) -> str:
    """What a program of ours that failed said last."""
    return (said.strip().splitlines() or ["it failed without a word"])[-1].removeprefix("error: ")


class Person:
    """Somebody who sets them by other means, and says when it is done: for compose, and workers started by hand."""

    def __init__(self, ask: Callable[[str], None]) -> None:
        """``ask`` shows a text, and returns when it was answered."""
        self._ask = ask

    def wanted(self, pool: str) -> int | None:  # noqa: ARG002  (the protocol's)
        """Nobody knows."""
        return None

    def scale(self, pool: str, workers: int) -> None:
        """Ask for it."""
        self._ask(f"Have {workers} running in pool {pool}, then press Enter")
