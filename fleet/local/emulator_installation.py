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
"""Environment variable: a ministack executable to use instead of an installation of our own."""
LOCK: Final = Path(__file__).parents[2] / "locks" / "emulator.txt"
"""The packages to install, pinned by hash."""
COMPLETE: Final = "cloudkon-complete"
"""The file that is written last, with the digest of the installed packages. Without it the installation is partial."""
LAST_LINES: Final = 3


def program(state_dir: StateDir) -> tuple[str, ...]:
    """Return the command line that starts the emulator.

    It is started as a module and not by its script: a script's first line can't hold the long path of a deep directory.
    """
    if given := os.environ.get(EXECUTABLE, ""):
        return (given,)
    return (str(_python(state_dir)), "-m", "ministack")


async def ensure_installed(state_dir: StateDir, report: Callable[[str], None]) -> None:
    """Install the emulator if it is missing, partial or not the one in the lock file. Call this under the command lock.

    Raises ``InvalidInput`` if the user's executable or the lock file can't be used, and ``CloudKonError`` with pip's
    last lines if pip fails.
    """
    if given := os.environ.get(EXECUTABLE, ""):
        if not os.access(given, os.X_OK):
            raise InvalidInput(f"{EXECUTABLE}={given}", "not an executable file", "Name one, or unset it")
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
