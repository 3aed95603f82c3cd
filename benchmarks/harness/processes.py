"""Runs programs, measures the CPU time of each with its child processes, and kills them all (Linux)."""

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
    """CPU time of a session's running processes, and of the child processes that they have waited for."""
    times = (_USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM)
    return sum(int(fields[index]) for _, fields in _members(session) for index in times) / _TICK


def loop_seconds(process: int) -> float:
    """CPU time of a process's first thread: in a worker, its event loop with everything but the AWS calls."""
    fields = Path(f"/proc/{process}/task/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(fields[index]) for index in (_USER, _SYSTEM)) / _TICK


@contextmanager
def running(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Run a program in a session of its own and kill it at the end of the block; yields its process id.

    Raises ``RuntimeError`` with the last lines of its output if it ended by itself and the block failed.
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
class ResourceUsage:
    """What a program used from its start to its end: seconds, CPU seconds, and peak memory in MiB."""

    seconds: float
    cpu: float
    peak: float


def run_measured(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], output: IO[bytes]
) -> ResourceUsage:
    """Run a program to its end with its output in a file. Raises ``RuntimeError`` with its stderr if it fails."""
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
        return ResourceUsage(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / KILOBYTES_IN_MEGABYTE)


def run(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
    """Run a program to its end. Raises ``RuntimeError`` with the last lines of its output if it fails."""
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).splitlines()[-_LAST_LINES:]
        raise RuntimeError(f"{' '.join(command[1:])} failed: {' | '.join(lines)}")


def python(*words: str, executable: str = sys.executable) -> tuple[str, ...]:
    """The command line of a module, as in ``python("benchmarks.harness.naive")``."""
    return (executable, "-m", *words)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the session at once: the measurement is over, and a long poll would delay a graceful stop by 20 s."""
    process.kill()
    # Its child processes are in its session, whatever process groups it made.
    for pid, _ in _members(process.pid):
        if pid != process.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _members(session: int) -> Iterator[tuple[int, list[str]]]:
    """The processes of a session, each with the fields of its status file."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        # A process that has just ended can't be read.
        with suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[_SESSION]) == session:
                yield int(path.parent.name), fields
