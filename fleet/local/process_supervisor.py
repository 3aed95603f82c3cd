"""Keeper: keeps one process alive until it is told to stop."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import trio

from .actual_state import ProcessState
from .log_files import last_lines, log_size, rotate
from .process import Process

STABLE_SECONDS: Final = 5.0
"""A process that lived that long has started well."""
EARLY_EXITS: Final = 3
"""Deaths in a row, each sooner than that, after which it counts as a problem."""
FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 20.0
"""Seconds between an early death and the next start; doubled from one to the next."""
EXCERPT: Final = 400
EXCERPT_LINES: Final = 3
"""Characters and lines of its log that a problem quotes."""


class Child(Protocol):
    """What is needed of a started process: ``command.RunningProcess`` has it."""

    process: Process

    async def wait(self) -> int:
        """Wait for its end; give its exit code, negative for a signal."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """Kill it and all that it started; nothing if they are gone."""
        ...


class ProcessSupervisor:
    """One process that is started again whenever it ends, sooner or later by how it ended.

    Times are trio's, so that tests can run it under a virtual clock.
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
        """``start`` may raise ``OSError``; ``grace`` is from SIGTERM to SIGKILL, in seconds."""
        self.name = name
        self.starts = 0
        self._last_end = ""
        self._start, self._log, self._grace, self._on_change = start, log, grace, on_change
        self._stop = trio.Event()
        self._process: Process | None = None
        self._started = 0.0
        self._log_start = 0
        self._problem = ""
        self._early_exits = 0

    @property
    def running(self) -> bool:
        """Whether its process lives, as far as anybody noticed."""
        return self._process is not None

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.starts - 1)

    def actual_state(self) -> ProcessState:
        """It as it is now."""
        return ProcessState(
            self.name,
            pid=self._process.pid if self._process else 0,
            born=self._process.born if self._process else "",
            started=self._started if self._process else 0.0,
            restarts=self.restarts,
            stopping=self._stop.is_set(),
            problem=self._problem,
            last_end=self._last_end,
        )

    def stop(self) -> None:
        """Ask it to end: SIGTERM, the grace, SIGKILL. ``run`` returns when it is gone."""
        self._stop.set()
        self._on_change()

    async def run(self) -> None:
        """Start it, again and again, until ``stop`` is called and it has ended."""
        while not self._stop.is_set():
            await self._run_once()
            self._on_change()
            if self._early_exits:
                with trio.move_on_after(min(FIRST_WAIT * 2 ** (self._early_exits - 1), LONGEST_WAIT)):
                    await self._stop.wait()

    async def _run_once(self) -> None:
        """One life, from its start to the end of what it left."""
        rotate(self._log)
        self._log_start = log_size(self._log)
        try:
            child = await self._start()
        except OSError as error:
            self._record_exit(early=True, end=f"it can't be started: {error}")
            return
        self.starts += 1
        born = trio.current_time()
        self._process, self._started = child.process, time.time()
        self._on_change()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._terminate_on_stop, child)
            nursery.start_soon(self._mark_stable)
            code = await child.wait()
            nursery.cancel_scope.cancel()
        # What it started and did not end itself, such as a killed worker's slots.
        child.kill()
        self._process = None
        if not self._stop.is_set():
            end = f"it was killed by signal {-code}" if code < 0 else f"it exited with code {code}"
            self._record_exit(early=trio.current_time() - born < STABLE_SECONDS, end=end)

    async def _terminate_on_stop(self, child: Child) -> None:
        await self._stop.wait()
        child.terminate()
        await trio.sleep(self._grace)
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
            said = " | ".join(last_lines(self._log, EXCERPT_LINES, self._log_start))[-EXCERPT:]
            self._problem = f"{self.name} does not stay up ({self._early_exits} times in a row): {end}" + (
                f"; its log ends: {said}" if said else ""
            )
