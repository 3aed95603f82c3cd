"""Drives a fleet of the compose file, and the client that uses it from the user's shell."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudkon.errors import EXIT_BAD_INPUT
from cloudkon.settings import Settings
from tests.containers.docker_cli import ROOT, docker, ended, ran
from tests.support import patience

PATIENCE = 180.0
"""The timeout of any step, in seconds, on a machine that is busy with other tests."""


@dataclass(frozen=True, slots=True)
class Composed:
    """One ``docker compose -f compose.localstack.yml`` with its own project name and its own port of LocalStack."""

    project: str
    port: int
    lease_seconds: float
    directory: Path

    @property
    def endpoint(self) -> str:
        """LocalStack's address on this machine."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the compose file reads."""
        return {
            "LOCALSTACK_PORT": str(self.port),
            "CLOUDKON_LEASE_SECONDS": str(self.lease_seconds),
            # A stopping worker waits for the end of its long poll.
            "CLOUDKON_POLL_SECONDS": "2",
            "CLOUDKON_ALLOW_EXEC": "yes",
            "CLOUDKON_ALLOW_PRIVATE_LINKS": "yes",
        }

    @property
    def settings(self) -> Settings:
        """The settings with which a program on this machine reaches the fleet."""
        return Settings(target="docker", endpoint_url=self.endpoint)

    @property
    def workload(self) -> Path:
        """The file that ``push`` wrote last."""
        return self.directory / "workload.txt"

    @property
    def network(self) -> str:
        """The network that the services share."""
        return f"{self.project}_default"

    def compose(self, *arguments: str) -> str:
        """Run ``docker compose ARGUMENTS`` and return its output."""
        command = ["docker", "compose", "--file", "compose.localstack.yml", "--project-name", self.project]
        return ran([*command, *arguments], environment=self.environment, seconds=4 * PATIENCE)

    def scale(self, workers: int) -> None:
        """Bring the fleet up with ``workers`` workers; dead ones are started again.

        Running workers stay, although another test may have given the images' names to a later build.
        """
        self.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"worker={workers}")

    def workers(self, service: str = "worker") -> list[str]:
        """The names of a service's running containers."""
        return sorted(self._containers("ps", f"--filter=label=com.docker.compose.service={service}"))

    def left(self) -> list[str]:
        """All containers, networks and volumes of the project that exist."""
        return [one for kind in ("container", "network", "volume") for one in self._containers(kind, "ls", *_ALL[kind])]

    def client(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        """Run ``python -m client ARGUMENTS`` on this machine with the README's two variables; return its output."""
        return self._client(arguments, accept).stdout

    def refused(self, *arguments: str) -> str:
        """Run ``python -m client ARGUMENTS``, which must end with exit code 2; return its stderr."""
        return self._client(arguments, (EXIT_BAD_INPUT,)).stderr

    def push(self, *instructions: str) -> str:
        """Push instructions and return the run's id."""
        self.workload.write_text("".join(f"{one}\n" for one in instructions))
        return self.client("push", str(self.workload)).split()[-1]

    def results(self, run: str) -> list[dict[str, Any]]:
        """Every recorded result of a run."""
        return [json.loads(line) for line in self.client("results", run, "--json").splitlines()]

    def _client(self, arguments: tuple[str, ...], accept: tuple[int, ...]) -> subprocess.CompletedProcess[str]:
        return ended(
            [sys.executable, "-m", "client", *arguments],
            environment={"CLOUDKON_TARGET": "docker", "AWS_ENDPOINT_URL": self.endpoint, "PYTHONPATH": str(ROOT)},
            directory=self.directory,
            seconds=4 * PATIENCE,
            accept=accept,
        )

    def _containers(self, *words: str) -> list[str]:
        name = "{{.Names}}" if words[0] in {"ps", "container"} else "{{.Name}}"
        mine = f"--filter=label=com.docker.compose.project={self.project}"
        return docker(*words, mine, "--format", name).split()


_ALL = {"container": ("--all",), "network": (), "volume": ()}


def free_port() -> int:
    """A free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], what: str) -> None:
    """Poll until a condition holds."""
    patience.until(condition, what, within=PATIENCE, step=0.2)
