"""``python -m fleet.local``: the supervisor, started by ``python -m fleet up``."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import trio

from cloudkon.errors import EXIT_FAILED, EXIT_OK, CloudKonError
from cloudkon.log import Log
from cloudkon.settings import Settings

from ..lock import Lock
from ..polling import until
from .emulator_process import choose_port
from .fleet_supervisor import Supervisor
from .local_processes import Machine
from .process import Process
from .state_dir import Home

LOCK_SECONDS: Final = 2.0
"""How long to ask for the lock: a command that only looks whether it is held has it for an instant."""
LOOK_SECONDS: Final = 0.02


async def supervise(settings: Settings, home: Home, log: Log) -> int:
    """Run the fleet until SIGTERM; give the exit code."""
    lock = home.supervisor_lock
    if not await _taken(lock):
        log.error("another supervisor runs here", state_dir=str(home.state_dir))
        return EXIT_FAILED
    port = choose_port(home.port())
    process = Process.of(os.getpid())
    assert process, "we are running"
    home.write_endpoint(port)
    supervisor = Supervisor(settings, home, Machine(settings, home, port, log), process, log)
    # Without this first one, nobody could find us: better to end at once.
    home.write_observed(supervisor.observed())
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on, signals, supervisor)
            log.info("started", pid=os.getpid(), fleet=settings.fleet, port=port)
            await supervisor.run(lock.is_in_place)
            nursery.cancel_scope.cancel()
    if lock.is_in_place():
        with suppress(OSError):
            home.write_endpoint(port)
            home.write_observed(None)
    log.info("stopped")
    return EXIT_OK


async def _taken(lock: Lock) -> bool:
    with trio.move_on_after(LOCK_SECONDS):
        await until(lock.take, LOOK_SECONDS)
        return True
    return False


async def _stop_on(signals: AsyncIterator[int], supervisor: Supervisor) -> None:
    async for _ in signals:
        supervisor.stop()


def main() -> int:
    """Run the supervisor for the settings in the environment; what goes wrong stands in its log."""
    log = Log(facts={"program": "supervisor"})
    try:
        settings = Settings.from_environment()
        return trio.run(supervise, settings, Home(settings.state_dir.absolute()), log)
    except (CloudKonError, OSError) as error:
        log.error("ended", problem=str(error))  # noqa: TRY400  (a structured log of our own, without tracebacks)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
