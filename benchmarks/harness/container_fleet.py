"""Starts a docker fleet for one benchmark, LocalStack and workers in containers, and deletes it afterwards."""

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.bench_fleet import BenchFleet

PREFIX: Final = "bench-"
"""The prefix of the fleets' names."""


@dataclass(frozen=True, slots=True)
class ContainerFleet(BenchFleet):
    """Runs commands on the target docker."""

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self.environment["CLOUDKON_FLEET"]

    def worker(self, number: int = 1) -> str:
        """The name of a worker's container."""
        return f"{self.name}.worker.{number}"

    def results(self, run: str) -> list[dict[str, Any]]:
        """Every result of a run."""
        return [json.loads(line) for line in self.command("client", "results", run, "--json").splitlines()]

    def joint_rate(self, workers: int, count: int, instruction: str, chunk: int) -> float:
        """Tasks a second from the start of the last worker on: containers take a while to start on few cores.

        The tasks are pushed before the workers start, so that the figures do not include the push.
        """
        self.command("fleet", "scale", 0)
        run = self.push(count, instruction, chunk)
        self.command("fleet", "scale", workers)
        whole = self.wait(run)
        results = self.results(run)
        first: dict[str, float] = {}
        for one in results:
            first[one["worker"]] = min(one["started"], first.get(one["worker"], one["started"]))
        begin = max(first.values())
        ends = [end for one in results if (end := one["started"] + one["seconds"]) > begin]
        seconds = max(ends, default=begin) - begin
        # With a small share of the tasks, most may end before the last worker starts.
        return len(ends) / seconds if len(ends) > count / 4 and seconds > 0 else whole.tasks_per_second


@contextmanager
def container_fleet() -> Iterator[ContainerFleet]:
    """Build the worker image and start a fleet without workers."""
    ours = ("CLOUDKON_", "AWS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        environment = {
            **kept,
            "PYTHONPATH": str(root),
            "CLOUDKON_TARGET": "docker",
            "CLOUDKON_FLEET": f"{PREFIX}{secrets.token_hex(3)}",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        fleet = ContainerFleet(Path(directory), environment)
        fleet.command("fleet", "build", "--pool", "worker")
        try:
            fleet.command("fleet", "up")
            yield fleet
        finally:
            fleet.command("fleet", "down", "--delete-data")
