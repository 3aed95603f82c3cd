"""Runs Docker's command line as a user of the images does."""

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
"""The options with which the fleet runs its containers: they write to memory only and can gain no rights."""


def docker(*arguments: str, seconds: float = 180, accept: tuple[int, ...] = (0,)) -> str:
    """Run ``docker ARGUMENTS`` and return its stdout. Raises with its output if the exit code is not accepted."""
    return ran(["docker", *arguments], seconds=seconds, accept=accept)


def ran(
    command: list[str],
    *,
    environment: dict[str, str] | None = None,
    directory: Path = ROOT,
    seconds: float = 180,
    accept: tuple[int, ...] = (0,),
) -> str:
    """Run a command and return its stdout. Raises with its output if the exit code is not accepted."""
    return ended(command, environment=environment, directory=directory, seconds=seconds, accept=accept).stdout


def ended(
    command: list[str],
    *,
    environment: dict[str, str] | None = None,
    directory: Path = ROOT,
    seconds: float = 180,
    accept: tuple[int, ...] = (0,),
) -> subprocess.CompletedProcess[str]:
    """Run a command and return it with its output. Raises with the output if the exit code is not accepted."""
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
    """Inspect a container or an image; ``path`` is the inside of a Go template, such as ``.State.Pid``."""
    return docker("inspect", f"--format={{{{{path}}}}}", name).strip()


def reason_for_no_engine() -> str:
    """Why no engine can be used, in one line; empty if one can."""
    for command, reason in (("info", "no Docker engine answers"), ("compose version", "docker has no Compose")):
        try:
            done = subprocess.run(["docker", *command.split()], capture_output=True, timeout=120, check=False)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return "no Docker engine answers"
        if done.returncode:
            return reason
    return ""
