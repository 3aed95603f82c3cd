"""Runs this checkout's own tests inside the worker image, on the Python and the libraries of the fleet."""

from tests.containers.building import SUITES, built
from tests.containers.docker_cli import ROOT, SEALED, docker

SECONDS = 1200


def passes(*words: str, network: str = "bridge", **environment: str) -> None:
    """Run ``pytest WORDS`` in a container with a worker's restrictions; raises with its output if a test fails."""
    output = docker(
        "run",
        *SEALED[:-1],
        # The tests write programs there and run them.
        "--tmpfs=/tmp:exec,size=2g",
        f"--network={network}",
        "--env=HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis",
        *(f"--env={name}={value}" for name, value in environment.items()),
        f"--volume={ROOT}:/checkout:ro",
        "--workdir=/checkout",
        built(SUITES),
        "--quiet",
        "--numprocesses=2",
        "--dist=loadfile",
        *words,
        seconds=SECONDS,
    )
    assert " passed" in output
