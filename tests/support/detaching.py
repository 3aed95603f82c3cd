"""A program that detaches processes in every way that a task can, notes their pids in a file, and goes on or ends.

``python detaching.py FILE [SECONDS]``: it sleeps for SECONDS, by default for an hour.
"""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

PR_SET_DUMPABLE = 4
KINDS = ("setsid", "background", "no-environment", "daemon")


def _daemon(note: Path) -> None:
    """Fork twice, in a session of its own, without exec; refuse inspection, as workers do."""
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    with note.open("a") as file:
        file.write(f"daemon {os.getpid()}\n")
    time.sleep(3600)
    os._exit(0)


def main() -> None:
    note, seconds = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 3600.0
    commands = {
        "setsid": "setsid sleep 3600 & echo $!",
        "background": "sleep 3600 >/dev/null 2>&1 & echo $!",
        "no-environment": "env -i setsid sleep 3600 >/dev/null 2>&1 & echo $!",
    }
    for kind, command in commands.items():
        with subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE, text=True) as shell:
            assert shell.stdout
            pid = shell.stdout.readline().strip()
            with note.open("a") as file:
                file.write(f"{kind} {pid}\n")
            shell.stdout.close()
    _daemon(note)
    time.sleep(seconds)


if __name__ == "__main__":
    main()
