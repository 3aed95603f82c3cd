"""Processes: a program with all that it starts, what CPU time they took, and their end (Linux)."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

KILOBYTES_IN_MEGABYTE: Final = 1024
_TICK: Final = os.sysconf("SC_CLK_TCK")
_LAST_LINES: Final = 5
# Positions in /proc/PID/stat after the name in brackets (proc_pid_stat(5)).
_SESSION, _USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM = 3, 11, 12, 13, 14


def cpu_seconds(session: int) -> float:
    """Of the processes of a session that live, and of those that these have waited for."""
    times = (_USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM)
    return sum(int(fields[index]) for _, fields in _members(session) for index in times) / _TICK


def loop_seconds(process: int) -> float:
    """CPU time of a process's first thread: of a worker, its loop, with everything but AWS's calls."""
    fields = Path(f"/proc/{process}/task/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(fields[index]) for index in (_USER, _SYSTEM)) / _TICK


@contextmanager
def running(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Run a program that leads a session of its own, and kill it at the end of the block; gives its process id.

    Raises ``RuntimeError`` with the last lines it said, if it ended by itself and the block failed.
    """
    log = directory / "worker.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process.pid
        except Exception as error:
            if process.poll() is not None:
                lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
                raise RuntimeError(f"{' '.join(command[1:])} ended: {' | '.join(lines)}") from error
            raise
        finally:
            _end(process)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a program took from its start to its end: seconds, CPU seconds, its peak of memory in MiB."""

    seconds: float
    cpu: float
    peak: float


def spent(command: Sequence[str], directory: Path, environment: Mapping[str, str], output: IO[bytes]) -> Spent:
    """Run a program to its end, its output into a file. Raises ``RuntimeError`` with what it said if it fails."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=errors) as process,
    ):
        begun = os.times().elapsed
        _, status, used = os.wait4(process.pid, 0)
        seconds = os.times().elapsed - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command[1:])} failed: {errors.read().decode(errors='replace')[-500:]}")
        return Spent(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / KILOBYTES_IN_MEGABYTE)


def run(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
    """Run a program to its end. Raises ``RuntimeError`` with the last lines it said if it fails."""
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).splitlines()[-_LAST_LINES:]
        raise RuntimeError(f"{' '.join(command[1:])} failed: {' | '.join(lines)}")


def python(*words: str, executable: str = sys.executable) -> tuple[str, ...]:
    """The command line of a module, as in ``python("benchmarks.harness.naive")``."""
    return (executable, "-m", *words)


def _end(process: subprocess.Popen[bytes]) -> None:
    """At once: what was to be measured is measured, and a long poll holds up an orderly end for 20 s."""
    process.kill()
    # What it started is in its session, whatever process groups it made.
    for pid, _ in _members(process.pid):
        if pid != process.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _members(session: int) -> Iterator[tuple[int, list[str]]]:
    """The processes of a session, each with the fields of its status."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        # One that has just ended can't be read.
        with suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[_SESSION]) == session:
                yield int(path.parent.name), fields
