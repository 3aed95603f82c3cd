"""Starts a local fleet for one benchmark, drives it by the command lines, and deletes it afterwards."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

EMULATOR: Final = "CLOUDKON_EMULATOR"
SECONDS: Final = 600
"""The timeout of a command."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A run's tasks, and the seconds from the start of the first task to the end of the last."""

    tasks: int
    seconds: float

    @property
    def tasks_per_second(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds


@dataclass(frozen=True, slots=True)
class BenchFleet:
    """Runs commands in one directory; a command that fails raises ``RuntimeError`` with its stderr."""

    directory: Path
    environment: dict[str, str]

    @property
    def state_dir(self) -> Path:
        """The fleet's state directory."""
        return self.directory / ".cloudkon"

    def command(self, program: str, *words: object) -> str:
        """Run ``python -m program words…`` and return its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", program, *map(str, words)],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def push(self, count: int, instruction: str, chunk: int) -> str:
        """Push ``count`` tasks and return the run's id."""
        self.command("client", "generate", count, *instruction.split())
        return self.command("client", "push", "--chunk", chunk).strip()

    def wait(self, run: str) -> Rate:
        """Wait for a run's end. Raises ``RuntimeError`` if a task failed."""
        counts: dict[str, Any] = json.loads(self.command("client", "check", run, "--wait", "--json"))
        return Rate(int(counts["tasks"]), float(counts["seconds"]))

    def rate(self, workers: int, count: int, instruction: str, chunk: int) -> Rate:
        """Push to a fleet without workers, then start them, so that the figures do not include the push."""
        self.command("fleet", "scale", 0)
        run = self.push(count, instruction, chunk)
        self.command("fleet", "scale", workers)
        return self.wait(run)

    def worker_pid(self) -> int:
        """The first worker's process id."""
        status = json.loads(self.command("fleet", "status", "--json"))
        return int(status["pools"]["worker"]["workers"][0]["pid"])


@contextmanager
def bench_fleet(**more: str) -> Iterator[BenchFleet]:
    """Start a fleet without workers; ``more`` are settings such as ``CLOUDKON_SLOTS``."""
    emulator = subprocess.run(
        [sys.executable, "-m", "fleet.local.install"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    ours = ("CLOUDKON_", "AWS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        environment = {**kept, "PYTHONPATH": str(root), EMULATOR: emulator, "CLOUDKON_LOG_LEVEL": "error", **more}
        fleet = BenchFleet(Path(directory), environment)
        fleet.command("fleet", "up")
        try:
            yield fleet
        finally:
            fleet.command("fleet", "down", "--delete-data")
