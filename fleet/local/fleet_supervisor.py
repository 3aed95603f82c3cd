"""Keeps the emulator, its stack and the desired workers running."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

import trio

from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.model import POOLS, Pool
from cloudkon.settings import Settings

from .actual_state import ActualState
from .identity import Identity
from .log_files import rotate_own_output
from .pool_supervisor import PoolSupervisor
from .process_supervisor import ProcessSupervisor
from .processes.process import Process
from .state_dir import StateDir

LOOK_SECONDS: Final = 0.1
"""How often it checks the desired state for changes. A check is one ``stat``."""
LOG_LOOK_SECONDS: Final = 5.0
"""How often it checks the size of its own log; each other process has a shim that bounds its log."""
RETRY_SECONDS: Final = 3.0
"""Between two attempts to make the stack, or to write the state."""
HEALTH_SECONDS: Final = 60.0
"""How long the emulator may take to answer; it takes half a second on an idle machine."""


class FleetProcesses(Protocol):
    """What the supervisor needs from the machine. Tests provide another implementation."""

    endpoint_url: str

    def emulator(self, on_change: Callable[[], object]) -> ProcessSupervisor:
        """Return the supervisor of the emulator's process."""
        ...

    def worker(self, pool: Pool, number: int, on_change: Callable[[], object]) -> ProcessSupervisor:
        """Return the supervisor of a worker's process."""
        ...

    async def wait_until_healthy(self) -> None:
        """Wait until the emulator answers."""
        ...

    async def provision(self) -> None:
        """Make or repair the stack, then publish its endpoint. Raises ``CloudKonError`` or ``OSError``."""
        ...


class FleetSupervisor:
    """One local fleet, from its start to its stop. Every change wakes all tasks that wait for one."""

    def __init__(
        self, settings: Settings, state_dir: StateDir, processes: FleetProcesses, process: Process, log: Log
    ) -> None:
        """``process`` is the process that it runs in."""
        self._state_dir, self._processes, self._log = state_dir, processes, log
        self._changes = trio.lowlevel.ParkingLot()
        self._stopping = trio.Event()
        self._desired = state_dir.desired_state()
        self._emulator = processes.emulator(self._changes.unpark_all)
        self._pools: dict[str, PoolSupervisor] = {}
        # The part of the state that the process supervisors don't know. Changes replace it.
        self._base = ActualState(settings.fleet, process, time.time(), processes.endpoint_url)
        identity = Identity.read(state_dir.path)
        self._base = replace(self._base, settings=settings.to_environment(), identity=identity.id if identity else "")

    def stop(self) -> None:
        """Begin to stop everything; ``run`` returns when nothing is left."""
        self._stopping.set()

    def actual_state(self) -> ActualState:
        """Return the fleet's state now."""
        pools = {name: pool.actual_state() for name, pool in self._pools.items()}
        return replace(self._base, emulator=self._emulator.actual_state(), pools=pools)

    async def run(self, still_ours: Callable[[], bool]) -> None:
        """Keep the fleet running until ``stop`` is called, or until ``still_ours`` is false: the directory is gone."""
        async with trio.open_nursery() as nursery:
            for pool in POOLS:
                make = partial(self._processes.worker, pool, on_change=self._changes.unpark_all)
                self._pools[pool.name] = PoolSupervisor(make, nursery)
            emulator_gone = trio.Event()
            nursery.start_soon(self._run_emulator, emulator_gone)
            for task in (
                self._write_states,
                self._keep_ready,
                self._limit_own_log,
                partial(self._watch_desired, still_ours),
            ):
                nursery.start_soon(task)
            await self._stopping.wait()
            # Workers stop first, so that they can release their chunks while the emulator still answers.
            for workers in self._pools.values():
                workers.resize(0)
            while not all(workers.is_empty() for workers in self._pools.values()):
                await self._changes.park()
            self._emulator.stop()
            await emulator_gone.wait()
            nursery.cancel_scope.cancel()

    async def _run_emulator(self, emulator_gone: trio.Event) -> None:
        await self._emulator.run()
        emulator_gone.set()

    async def _watch_desired(self, still_ours: Callable[[], bool]) -> None:
        """Read the desired state again whenever its file is replaced."""
        seen = None
        while still_ours():
            with suppress(FileNotFoundError):
                stat = self._state_dir.desired_state_path.stat()
                if (stat.st_ino, stat.st_mtime_ns) != seen:
                    seen = (stat.st_ino, stat.st_mtime_ns)
                    # An unreadable file does not mean that no workers are desired: keep the last state.
                    self._desired = self._state_dir.desired_state() or self._desired
                    self._resize()
            await trio.sleep(LOOK_SECONDS)
        self._log.warning("state directory removed: stopping", path=str(self._state_dir.path))
        self.stop()

    def _resize(self) -> None:
        """Start and stop workers to reach the desired counts, once the emulator and the stack are ready."""
        if self._base.ready and not self._stopping.is_set():
            for name, pool in self._pools.items():
                pool.resize(self._desired.counts.get(name, 0))
        self._changes.unpark_all()

    async def _keep_ready(self) -> None:
        """Check and repair the stack, after each start of the emulator and at each request."""
        done = None
        while True:
            current = (self._emulator.starts, self._desired.request)
            if not self._emulator.running:
                self._base = replace(self._base, ready=False)
                await self._changes.park()
            elif current == done:
                await self._changes.park()
            else:
                problem = await self._repair()
                self._base = replace(self._base, ready=not problem, problem=problem, answered=current[1])
                self._log.info("repaired", request=current[1], problem=problem)
                self._resize()
                done = done if problem else current
                await trio.sleep(RETRY_SECONDS if problem else 0)

    async def _repair(self) -> str:
        """Make sure that the emulator answers and the stack is complete; return the problem, or an empty string."""
        try:
            with trio.fail_after(HEALTH_SECONDS):
                await self._processes.wait_until_healthy()
        except trio.TooSlowError:
            return f"the emulator does not answer at {self._processes.endpoint_url} after {HEALTH_SECONDS:.0f} s"
        try:
            await self._processes.provision()
        except (CloudKonError, OSError) as error:
            return str(error)
        return ""

    async def _write_states(self) -> None:
        """Write the actual state whenever it changes."""
        written, failed = None, False
        while True:
            actual = self.actual_state()
            if actual != written:
                try:
                    self._state_dir.write_actual_state(actual)
                    written, failed = actual, False
                except OSError as error:
                    # A full disk stops no worker. Commands see an old state until the disk has space again.
                    if not failed:
                        self._log.error("state not written", problem=str(error))
                    failed = True
            with trio.move_on_after(RETRY_SECONDS if failed else math.inf):
                await self._changes.park()

    async def _limit_own_log(self) -> None:
        while True:
            rotate_own_output(self._state_dir.logs / "supervisor.log")
            await trio.sleep(LOG_LOOK_SECONDS)
