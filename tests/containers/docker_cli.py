"""Docker's command line, as a user of the images types it."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEALED = (
    "--rm",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp",
)
"""How the fleet runs its containers: nothing to write to but memory, and no rights to gain."""
BUILD_SECONDS = 540
"""A cold build on a slow machine, its downloads included."""


def docker(*arguments: str, seconds: float = 60, accept: tuple[int, ...] = (0,)) -> str:
    """Run ``docker ARGUMENTS``; gives its standard output. Raises with what it said if it ends otherwise."""
    return ran(["docker", *arguments], seconds=seconds, accept=accept)


def ran(
    command: list[str],
    *,
    environment: dict[str, str] | None = None,
    directory: Path = ROOT,
    seconds: float = 60,
    accept: tuple[int, ...] = (0,),
) -> str:
    """Run a command; gives its standard output. Raises with what it said if it does not end as accepted."""
    ended = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ended.returncode in accept, (
        f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    )
    return ended.stdout


def reason_for_no_engine() -> str:
    """Why there is no engine to work with, in one line; empty if there is one."""
    for command, lacks in (("info", "no Docker engine answers"), ("compose version", "docker has no Compose")):
        try:
            ended = subprocess.run(["docker", *command.split()], capture_output=True, timeout=30, check=False)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return "no Docker engine answers"
        if ended.returncode:
            return lacks
    return ""


def built(tag: str, file: str, context: str = ".") -> str:
    """Build an image from a Dockerfile of the checkout; what has been built before costs a second. Gives the tag."""
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    ran(
        ["docker", "build", "--file", file, "--tag", tag, context],
        # Debian 12 has no BuildKit; the Dockerfiles don't need it.
        environment={"DOCKER_BUILDKIT": "1" if buildx else "0"},
        seconds=BUILD_SECONDS,
    )
    return tag
