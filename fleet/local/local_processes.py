"""Starts the local fleet's processes, and provisions the emulator."""

import os
import socket
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final

from cloudkon.aws.emulator_save import save_emulator
from cloudkon.log import Log
from cloudkon.model import Pool
from cloudkon.settings import PREFIX, Settings

from ..provision import provision
from .command_lines import ProcessCommand, worker_program
from .emulator_process import GRACE_SECONDS, emulator_command, url, wait_until_healthy
from .listener import port_of
from .process_supervisor import ProcessSupervisor
from .state_dir import StateDir

POLL_SECONDS: Final = 2.0
"""How long a local worker's receive waits by default: a stopping worker first waits for its last receive to end."""
STOP_MARGIN_SECONDS: Final = 5.0
"""Added to ``stop_seconds``, so that a worker can record the chunks that it releases."""


def worker_grace(settings: Settings) -> float:
    """Return the seconds from a worker's SIGTERM to its SIGKILL."""
    return settings.stop_seconds + STOP_MARGIN_SECONDS


class LocalProcesses:
    """The processes of one local fleet, with the settings that they get."""

    def __init__(self, settings: Settings, state_dir: StateDir, listener: socket.socket, log: Log) -> None:
        """Each start of the emulator accepts connections from ``listener``, so its port never changes."""
        self._port = port_of(listener)
        self.endpoint_url = url(self._port)
        self._state_dir, self._listener, self._log = state_dir, listener, log
        self._secret = state_dir.secret()
        self._settings = replace(settings, endpoint_url=self.endpoint_url, state_dir=state_dir.path)
        if settings.poll_seconds == Settings().poll_seconds and f"{PREFIX}POLL_SECONDS" not in os.environ:
            self._settings = replace(self._settings, poll_seconds=POLL_SECONDS)

    def emulator(self, on_change: Callable[[], object]) -> ProcessSupervisor:
        """Return the supervisor of the emulator's process."""
        return _supervisor(emulator_command(self._state_dir, self._listener, self._secret), GRACE_SECONDS, on_change)

    def worker(self, pool: Pool, number: int, on_change: Callable[[], object]) -> ProcessSupervisor:
        """Return the supervisor of a worker's process.

        The worker gets the user's environment, for handlers and their tools, and the fleet's settings on top.
        """
        name = f"{pool.name}-{number}"
        ours = {PREFIX + one.name.upper() for one in fields(Settings)}
        environment = {key: value for key, value in os.environ.items() if key not in ours}
        environment |= self._settings.to_environment()
        log = self._state_dir.logs / f"{name}.log"
        command = ProcessCommand(name, worker_program(pool), environment, self._state_dir.path, log)
        return _supervisor(command, worker_grace(self._settings), on_change)

    async def wait_until_healthy(self) -> None:
        """Wait until the emulator answers."""
        await wait_until_healthy(self._port, self._secret)

    async def provision(self) -> None:
        """Make or repair the stack; from then on other programs find the fleet."""
        # Written each time, for the case that it was deleted or damaged.
        self._state_dir.write_secret(self._secret)
        await provision(self._settings, lambda step: self._log.info("provisioning", step=step))
        # Before a program can store objects: the emulator keeps those at once, and must still know their bucket.
        await save_emulator(self._settings)
        self._state_dir.write_endpoint(self._port, self.endpoint_url)


def _supervisor(command: ProcessCommand, grace: float, on_change: Callable[[], object]) -> ProcessSupervisor:
    return ProcessSupervisor(command.name, command.start, log=command.log, grace=grace, on_change=on_change)
