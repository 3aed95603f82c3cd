"""``python -m fleet.local``: the supervisor, started by ``python -m fleet up``."""

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import trio

from cloudkon.errors import EXIT_FAILED, EXIT_OK, CloudKonError
from cloudkon.log import Log
from cloudkon.settings import Settings

from ..lock import Lock
from ..polling import poll_until
from .command_lines import ADOPTED
from .fleet_supervisor import FleetSupervisor
from .listener import listen, port_of
from .local_processes import LocalProcesses
from .processes.inspection import refuse_inspection
from .processes.process import Process
from .state_dir import StateDir

LOCK_SECONDS: Final = 2.0
"""How long to try to take the lock: a command that only checks whether it is held holds it for an instant."""
LOOK_SECONDS: Final = 0.02


async def supervise(settings: Settings, state_dir: StateDir, log: Log) -> int:
    """Run the fleet until SIGTERM, then return the exit code."""
    lock = state_dir.supervisor_lock
    if not await _try_lock(lock):
        log.error("another supervisor runs here", state_dir=str(state_dir.path))
        return EXIT_FAILED
    with listen(state_dir.port()) as listener:
        await _run_fleet(settings, state_dir, lock, listener, log)
    return EXIT_OK


async def _run_fleet(settings: Settings, state_dir: StateDir, lock: Lock, listener: socket.socket, log: Log) -> None:
    port = port_of(listener)
    process = Process.of(os.getpid())
    assert process, "this process is running"
    state_dir.write_endpoint(port)
    supervisor = FleetSupervisor(settings, state_dir, LocalProcesses(settings, state_dir, listener, log), process, log)
    # No command can find a supervisor without this file, so an error in this first write ends the process.
    state_dir.write_actual_state(supervisor.actual_state())
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, signals, supervisor)
            log.info("started", pid=os.getpid(), fleet=settings.fleet, port=port)
            await supervisor.run(lock.is_in_place)
            nursery.cancel_scope.cancel()
    if lock.is_in_place():
        with suppress(OSError):
            state_dir.write_endpoint(port)
            # The record of a fleet whose emulator did not save at its end stays, so that the next command says so.
            if (last := state_dir.last_save()) is None or last.is_final:
                state_dir.write_actual_state(None)
    log.info("stopped")


async def _try_lock(lock: Lock) -> bool:
    with trio.move_on_after(LOCK_SECONDS):
        await poll_until(lock.take, LOOK_SECONDS)
        return True
    return False


async def _stop_on_signal(signals: AsyncIterator[int], supervisor: FleetSupervisor) -> None:
    async for _ in signals:
        supervisor.stop()


def main() -> int:
    """Run the supervisor with the settings in the environment. Errors go to its log."""
    log = Log(facts={"program": "supervisor"})
    # Its environment is the user's, with credentials that tasks must not read.
    refuse_inspection()
    ADOPTED.begin()
    try:
        settings = Settings.from_environment()
        return trio.run(supervise, settings, StateDir(settings.state_dir.absolute()), log)
    except (CloudKonError, OSError) as error:
        log.error("ended", problem=str(error))  # noqa: TRY400  (a structured log of our own, without tracebacks)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
