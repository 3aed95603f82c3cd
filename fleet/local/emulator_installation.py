"""Installs the emulator into its own virtual environment, because it pins another botocore than the fleet uses."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from cloudkon.errors import CloudKonError, InvalidInput

from ..files import translate_os_errors
from .state_dir import StateDir

EXECUTABLE: Final = "CLOUDKON_EMULATOR"
"""Environment variable: a ministack executable to use instead of an installation of our own.

The executable itself is not run: its Python runs the emulator inside of ``emulator_server``.
"""
LOCK: Final = Path(__file__).parents[2] / "locks" / "emulator.txt"
"""The packages to install, pinned by hash."""
COMPLETE: Final = "cloudkon-complete"
"""The file that is written last, with the digest of the installed packages. Without it the installation is partial."""
LAST_LINES: Final = 3
PATH_BYTES: Final = 4096
"""How much of a script's first lines is read."""


def interpreter(state_dir: StateDir) -> Path:
    """Return the Python that has the emulator. Raises ``InvalidInput`` if the user's executable has none."""
    if given := os.environ.get(EXECUTABLE, ""):
        return interpreter_of(Path(given))
    return _python(state_dir)


def interpreter_of(executable: Path) -> Path:
    """Return the Python that an executable script names, or else the one beside it. Raises ``InvalidInput``."""
    if not os.access(executable, os.X_OK) or executable.is_dir():
        raise InvalidInput(f"{EXECUTABLE}={executable}", "not an executable file", "Name one, or unset it")
    with translate_os_errors(executable), executable.open("rb") as script:
        first, second = script.readline(PATH_BYTES).strip(), script.readline(PATH_BYTES).strip()
    # pip writes the second form where the path is too long for a first line.
    for line, start in ((first, b"#!"), (second, b"'''exec' ")):
        named = Path(os.fsdecode(line.removeprefix(start).split(b" ")[0].strip(b'"')))
        if line.startswith(start) and "python" in named.name and os.access(named, os.X_OK):
            return named
    for beside in (executable.with_name("python"), executable.resolve().with_name("python")):
        if os.access(beside, os.X_OK):
            return beside
    raise InvalidInput(
        f"{EXECUTABLE}={executable}",
        "neither its first line nor its directory names the Python that has ministack",
        "Name the script that pip installs, such as VENV/bin/ministack, or unset it",
    )


async def ensure_installed(state_dir: StateDir, report: Callable[[str], None]) -> None:
    """Install the emulator if it is missing, partial or not the one in the lock file. Call this under the command lock.

    Raises ``InvalidInput`` if the user's executable or the lock file can't be used, and ``CloudKonError`` with pip's
    last lines if pip fails.
    """
    if given := os.environ.get(EXECUTABLE, ""):
        interpreter_of(Path(given))
        return
    digest = _digest()
    if _is_complete(state_dir, digest):
        return
    report(f"installing the emulator into {state_dir.installation} (once; about half a minute)")
    with translate_os_errors(state_dir.installation):
        if state_dir.installation.exists():
            shutil.rmtree(state_dir.installation)
    await _run(sys.executable, "-m", "venv", str(state_dir.installation))
    pip = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet")
    await _run(str(_python(state_dir)), *pip, "--require-hashes", "--requirement", str(LOCK))
    with translate_os_errors(state_dir.installation):
        (state_dir.installation / COMPLETE).write_text(digest, encoding="ascii")


def _python(state_dir: StateDir) -> Path:
    return state_dir.installation / "bin" / "python"


def _is_complete(state_dir: StateDir, digest: str) -> bool:
    try:
        return (state_dir.installation / COMPLETE).read_text(encoding="ascii") == digest and _python(state_dir).exists()
    except (OSError, ValueError):
        return False


def _digest() -> str:
    """The digest of the packages and of the Python version: another Python can't use the installation."""
    try:
        content = LOCK.read_bytes()
    except OSError:
        remedy = f"Run from a checkout, or name a ministack executable in {EXECUTABLE}"
        raise InvalidInput(str(LOCK), "the emulator's lock file is missing", remedy) from None
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


async def _run(*command: str) -> None:
    done = await trio.run_process(
        command, check=False, capture_stdout=True, stderr=subprocess.STDOUT, env=_environment()
    )
    if done.returncode:
        lines = [line.strip() for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        raise CloudKonError(
            f"the emulator could not be installed: {' | '.join(lines[-LAST_LINES:]) or command}. Nothing was started; "
            f"fix the cause and run the command again, or name a ministack executable in {EXECUTABLE}"
        )


def _environment() -> dict[str, str]:
    """The user's environment, for pip's index and proxy settings, without variables that add other packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
