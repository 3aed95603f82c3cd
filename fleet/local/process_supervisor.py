"""Keeps one process running until it is stopped."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import trio

from cloudkon.backoff import Backoff

from .actual_state import ProcessState
from .log_files import last_lines, log_size, rotate
from .processes.process import SHIM_SECONDS, Process

STABLE_SECONDS: Final = 5.0
"""A process that has run for this long counts as started."""
EARLY_EXITS: Final = 3
"""This count of exits in a row, each before ``STABLE_SECONDS``, is reported as a problem."""
RESTART: Final = Backoff(first=0.2, most=20.0, jitter=0.0)
"""Between an early exit and the next start."""
EXCERPT_CHARACTERS: Final = 400
EXCERPT_LINES: Final = 3
"""The part of the log that a problem quotes."""


class Child(Protocol):
    """The part of ``command_lines.RunningProcess`` that a supervisor uses."""

    process: Process
    shim: Process | None

    async def wait(self) -> int:
        """Wait for the exit; return the exit code, negative for a signal."""
        ...

    def terminate(self) -> None:
        """Send SIGTERM."""
        ...

    def kill(self) -> None:
        """Kill the process and all processes that it started; do nothing if they have ended.

        When it is called again, it also kills a shim that does not answer.
        """
        ...


class ProcessSupervisor:
    """Starts a process again whenever it exits: at once after a long run, with a growing wait after early exits.

    Times are trio's, so that tests can use a virtual clock.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[Child]],
        *,
        log: Path,
        grace: float,
        on_change: Callable[[], object],
    ) -> None:
        """``start`` may raise ``OSError``; ``grace`` is the time from SIGTERM to SIGKILL, in seconds."""
        self.name = name
        self.starts = 0
        self._last_end = ""
        self._start, self._log, self._grace, self._on_change = start, log, grace, on_change
        self._stop = trio.Event()
        self._process: Process | None = None
        self._shim: Process | None = None
        self._started = 0.0
        self._log_start = 0
        self._problem = ""
        self._early_exits = 0

    @property
    def running(self) -> bool:
        """Whether the process runs, as far as the supervisor knows."""
        return self._process is not None

    @property
    def restarts(self) -> int:
        """How many times the process was started again."""
        return max(0, self.starts - 1)

    def actual_state(self) -> ProcessState:
        """Return the process's state now."""
        return ProcessState(
            self.name,
            pid=self._process.pid if self._process else 0,
            born=self._process.born if self._process else "",
            started=self._started if self._process else 0.0,
            restarts=self.restarts,
            stopping=self._stop.is_set(),
            problem=self._problem,
            last_end=self._last_end,
            shim_pid=self._shim.pid if self._shim else 0,
            shim_born=self._shim.born if self._shim else "",
        )

    def stop(self) -> None:
        """Begin to stop the process: SIGTERM, the grace, SIGKILL. ``run`` returns when it has ended."""
        self._stop.set()
        self._on_change()

    async def run(self) -> None:
        """Start the process again and again, until ``stop`` is called and the process has ended."""
        while not self._stop.is_set():
            await self._run_once()
            self._on_change()
            if self._early_exits:
                with trio.move_on_after(RESTART.wait(self._early_exits)):
                    await self._stop.wait()

    async def _run_once(self) -> None:
        """Run the process once, until it and all that it started have ended."""
        rotate(self._log)
        self._log_start = log_size(self._log)
        try:
            child = await self._start()
        except OSError as error:
            self._record_exit(early=True, end=f"it can't be started: {error}")
            return
        self.starts += 1
        began = trio.current_time()
        self._process, self._shim, self._started = child.process, child.shim, time.time()
        self._on_change()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._terminate_on_stop, child)
            nursery.start_soon(self._mark_stable)
            code = await child.wait()
            nursery.cancel_scope.cancel()
        self._process = self._shim = None
        if not self._stop.is_set():
            end = f"it was killed by signal {-code}" if code < 0 else f"it exited with code {code}"
            self._record_exit(early=trio.current_time() - began < STABLE_SECONDS, end=end)

    async def _terminate_on_stop(self, child: Child) -> None:
        await self._stop.wait()
        child.terminate()
        await trio.sleep(self._grace)
        child.kill()
        await trio.sleep(SHIM_SECONDS)
        child.kill()

    async def _mark_stable(self) -> None:
        await trio.sleep(STABLE_SECONDS)
        if self._early_exits:
            self._early_exits, self._problem = 0, ""
            self._on_change()

    def _record_exit(self, *, early: bool, end: str) -> None:
        self._last_end = end
        self._early_exits = self._early_exits + 1 if early else 0
        if self._early_exits >= EARLY_EXITS:
            lines = last_lines(self._log, EXCERPT_LINES, self._log_start)
            excerpt = " | ".join(lines)[-EXCERPT_CHARACTERS:]
            self._problem = f"{self.name} does not stay up ({self._early_exits} times in a row): {end}" + (
                f"; its log ends: {excerpt}" if excerpt else ""
            )
