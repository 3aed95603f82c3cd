"""Supervisor: keeps the emulator, its stack and the wanted workers in being."""

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
from .log_files import truncate_if_large
from .pool_supervisor import PoolSupervisor
from .process import Process
from .process_supervisor import ProcessSupervisor
from .state_dir import StateDir

LOOK_SECONDS: Final = 0.1
"""How often it looks whether something else is wanted. A look is one ``stat``."""
LOG_LOOK_SECONDS: Final = 5.0
"""How often logs are looked over for their size."""
RETRY_SECONDS: Final = 3.0
"""Between two tries to make the stack."""
HEALTH_SECONDS: Final = 60.0
"""How long the emulator may take to answer; it takes half a second on an idle machine."""


class FleetProcesses(Protocol):
    """What the supervisor does to the machine; tests put another world in its place."""

    endpoint_url: str

    def emulator(self, on_change: Callable[[], object]) -> ProcessSupervisor:
        """The emulator's keeper."""
        ...

    def worker(self, pool: Pool, number: int, on_change: Callable[[], object]) -> ProcessSupervisor:
        """A worker's keeper."""
        ...

    async def wait_until_healthy(self) -> None:
        """Wait until the emulator answers."""
        ...

    async def provision(self) -> None:
        """Make or mend the stack, and tell all programs where it is. Raises ``CloudKonError``, ``OSError``."""
        ...


class FleetSupervisor:
    """One local fleet, from its start to its stop. Its tasks share one bell, which rings at every change."""

    def __init__(
        self, settings: Settings, state_dir: StateDir, processes: FleetProcesses, process: Process, log: Log
    ) -> None:
        """``process`` is the one that it runs in."""
        self._state_dir, self._processes, self._log = state_dir, processes, log
        self._bell = trio.lowlevel.ParkingLot()
        self._stopping = trio.Event()
        self._desired = state_dir.desired_state()
        self._emulator = processes.emulator(self._bell.unpark_all)
        self._pools: dict[str, PoolSupervisor] = {}
        # What changes of it is replaced; what the keepers know is asked of them.
        self._base = ActualState(settings.fleet, process, time.time(), processes.endpoint_url)
        self._base = replace(self._base, settings=settings.to_environment())

    def stop(self) -> None:
        """Begin to take everything down; ``run`` returns when nothing is left."""
        self._stopping.set()

    def actual_state(self) -> ActualState:
        """The fleet as it is now."""
        pools = {name: pool.actual_state() for name, pool in self._pools.items()}
        return replace(self._base, emulator=self._emulator.actual_state(), pools=pools)

    async def run(self, still_ours: Callable[[], bool]) -> None:
        """Keep the fleet in being until ``stop``, or until the state directory is no longer ours."""
        async with trio.open_nursery() as nursery:
            for pool in POOLS:
                make = partial(self._processes.worker, pool, on_change=self._bell.unpark_all)
                self._pools[pool.name] = PoolSupervisor(make, nursery)
            emulator_gone = trio.Event()
            nursery.start_soon(self._run_emulator, emulator_gone)
            for task in (self._record, self._mend, self._bound_logs, partial(self._look, still_ours)):
                nursery.start_soon(task)
            await self._stopping.wait()
            # Workers first: they give their chunks back to an emulator that still answers.
            for supervisors in self._pools.values():
                supervisors.resize(0)
            while not all(supervisors.is_empty() for supervisors in self._pools.values()):
                await self._bell.park()
            self._emulator.stop()
            await emulator_gone.wait()
            nursery.cancel_scope.cancel()

    async def _run_emulator(self, wait_until_gone: trio.Event) -> None:
        await self._emulator.run()
        wait_until_gone.set()

    async def _look(self, still_ours: Callable[[], bool]) -> None:
        """Notice what is wanted, by the file's being another one."""
        seen = None
        while still_ours():
            with suppress(FileNotFoundError):
                stat = self._state_dir.desired_state_path.stat()
                if (stat.st_ino, stat.st_mtime_ns) != seen:
                    seen = (stat.st_ino, stat.st_mtime_ns)
                    # A file that can't be read says nothing, and certainly not that no worker is wanted.
                    self._desired = self._state_dir.desired_state() or self._desired
                    self._resize()
            await trio.sleep(LOOK_SECONDS)
        self._log.warning("state directory removed: stopping", path=str(self._state_dir.path))
        self.stop()

    def _resize(self) -> None:
        """Work towards the wanted workers, once there is something for them to work with."""
        if self._base.ready and not self._stopping.is_set():
            for name, supervisors in self._pools.items():
                supervisors.resize(self._desired.counts.get(name, 0))
        self._bell.unpark_all()

    async def _mend(self) -> None:
        """See to it that the stack is whole, after each start of the emulator and at each request."""
        done = None
        while True:
            asked = (self._emulator.starts, self._desired.request)
            if not self._emulator.running:
                self._base = replace(self._base, ready=False)
                await self._bell.park()
            elif asked == done:
                await self._bell.park()
            else:
                problem = await self._problem_after_mending()
                self._base = replace(self._base, ready=not problem, problem=problem, answered=asked[1])
                self._log.info("mended", request=asked[1], problem=problem)
                self._resize()
                done = done if problem else asked
                await trio.sleep(RETRY_SECONDS if problem else 0)

    async def _problem_after_mending(self) -> str:
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

    async def _record(self) -> None:
        """Write down what is observed, whenever it changes."""
        written, failed = None, False
        while True:
            actual = self.actual_state()
            if actual != written:
                try:
                    self._state_dir.write_actual_state(actual)
                    written, failed = actual, False
                except OSError as error:
                    # A full disk stops no worker; commands see an old state until there is space again.
                    if not failed:
                        self._log.error("state not written", problem=str(error))
                    failed = True
            with trio.move_on_after(RETRY_SECONDS if failed else math.inf):
                await self._bell.park()

    async def _bound_logs(self) -> None:
        while True:
            for path in self._state_dir.logs.glob("*.log"):
                truncate_if_large(path)
            await trio.sleep(LOG_LOOK_SECONDS)
