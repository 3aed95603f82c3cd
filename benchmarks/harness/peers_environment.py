"""Installs the peers and matplotlib, as locked, into a virtual environment of their own.

They never share our workers' environment: Celery and dramatiq bring seventy packages, and some pin others.
The lock is written by ``uv pip compile --generate-hashes --universal --python-version 3.11 --no-header
--no-emit-index-url benchmarks/peers.in``.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).parents[1] / "peers.txt"
HOME: Final = Path(__file__).parents[2] / ".cloudkon" / "bench"
_COMPLETE: Final = HOME / "cloudkon-complete"


def peers_python() -> str:
    """Return the Python of that environment; install the environment first if it does not match the lock."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    executable = HOME / "bin" / "python"
    if not _COMPLETE.exists() or _COMPLETE.read_text(encoding="ascii") != digest:
        print(f"installing the peers into {HOME} (once; a minute or so)", file=sys.stderr)
        shutil.rmtree(HOME, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        pip = [str(executable), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "--require-hashes", "--requirement", str(LOCK)], check=True)
        _COMPLETE.write_text(digest, encoding="ascii")
    return str(executable)
