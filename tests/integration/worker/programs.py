"""Starts the worker as users do: a process with settings in the environment and a log of JSON lines."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloudkon.settings import Settings
from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[3]


class Program:
    """One run of ``python -m images.worker``, or of another worker's module."""

    def __init__(
        self,
        log: Path,
        environment: Mapping[str, str],
        *arguments: str,
        directory: Path = ROOT,
        module: str = "images.worker",
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=directory,
                env={"PATH": os.environ["PATH"], "HOME": str(log.parent), "PYTHONPATH": str(ROOT), **environment},
                stdout=output,
                stderr=output,
            )

    @property
    def text(self) -> str:
        return self._log.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log so far; every line is JSON."""
        return [json.loads(line) for line in self.text.splitlines(keepends=True) if line.endswith("\n")]

    def logged(self, action: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["action"] == action]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(PATIENCE)


class Programs:
    """Starts programs with the settings of one test, and kills them at its end."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory = directory
        self.settings = settings
        self.started: list[Program] = []

    def start(self, *arguments: str, **changes: Any) -> Program:  # noqa: ANN401  (any setting)
        environment = replace(self.settings, **changes).to_environment()
        log = self.directory / f"worker-{len(self.started)}.log"
        program = Program(log, environment, *arguments)
        self.started.append(program)
        return program

    def end(self) -> None:
        for program in self.started:
            program.process.kill()
            program.process.wait()


@contextmanager
def programs(directory: Path, settings: Settings) -> Iterator[Programs]:
    """Start programs that end with the block."""
    started = Programs(directory, settings)
    try:
        yield started
    finally:
        started.end()


def lines_in(path: Path) -> list[str]:
    """Return the lines that tasks have written to a file so far."""
    return path.read_text().splitlines() if path.exists() else []
