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


def docker(*arguments: str, seconds: float = 180, accept: tuple[int, ...] = (0,)) -> str:
    """Run ``docker ARGUMENTS``; gives its standard output. Raises with what it said if it ends otherwise."""
    return ran(["docker", *arguments], seconds=seconds, accept=accept)


def ran(
    command: list[str],
    *,
    environment: dict[str, str] | None = None,
    directory: Path = ROOT,
    seconds: float = 180,
    accept: tuple[int, ...] = (0,),
) -> str:
    """Run a command; gives its standard output. Raises with what it said if it does not end as accepted."""
    return ended(command, environment=environment, directory=directory, seconds=seconds, accept=accept).stdout


def ended(
    command: list[str],
    *,
    environment: dict[str, str] | None = None,
    directory: Path = ROOT,
    seconds: float = 180,
    accept: tuple[int, ...] = (0,),
) -> subprocess.CompletedProcess[str]:
    """Run a command; gives all that it said. Raises with it if it does not end as accepted."""
    found = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert found.returncode in accept, (
        f"{' '.join(command)} ended with {found.returncode}:\n{found.stdout[-3000:]}\n{found.stderr[-3000:]}"
    )
    return found


def inspected(name: str, path: str) -> str:
    """What the engine says of a container or an image: ``path`` is a Go template's inside, such as ``.State.Pid``."""
    return docker("inspect", f"--format={{{{{path}}}}}", name).strip()


def reason_for_no_engine() -> str:
    """Why there is no engine to work with, in one line; empty if there is one."""
    for command, lacks in (("info", "no Docker engine answers"), ("compose version", "docker has no Compose")):
        try:
            done = subprocess.run(["docker", *command.split()], capture_output=True, timeout=120, check=False)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return "no Docker engine answers"
        if done.returncode:
            return lacks
    return ""
