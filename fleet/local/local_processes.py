"""Machine: the supervisor's world as it is: processes of this machine, and the emulator's services."""

import os
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final

from cloudkon.log import Log
from cloudkon.model import Pool
from cloudkon.settings import PREFIX, Settings

from ..provision import provision
from .command_lines import Command, worker_program
from .emulator_process import GRACE_SECONDS, emulator_command, healthy, url
from .process_supervisor import Keeper
from .state_dir import Home

POLL_SECONDS: Final = 2.0
"""How long a local worker's receive waits, unless set: a stopping worker waits for its last one to end."""
STOP_MARGIN_SECONDS: Final = 5.0
"""Beyond ``stop_seconds``, for a worker to write down what it gives back."""


def worker_grace(settings: Settings) -> float:
    """Seconds from a worker's SIGTERM to its SIGKILL."""
    return settings.stop_seconds + STOP_MARGIN_SECONDS


class Machine:
    """Starts processes, and makes the stack on the emulator."""

    def __init__(self, settings: Settings, home: Home, port: int, log: Log) -> None:
        """``port`` is the emulator's for as long as this supervisor lives."""
        self.endpoint_url = url(port)
        self._home, self._port, self._log = home, port, log
        self._settings = replace(settings, endpoint_url=self.endpoint_url, state_dir=home.state_dir)
        if settings.poll_seconds == Settings().poll_seconds and f"{PREFIX}POLL_SECONDS" not in os.environ:
            self._settings = replace(self._settings, poll_seconds=POLL_SECONDS)

    def emulator(self, changed: Callable[[], object]) -> Keeper:
        """The emulator's keeper."""
        return _keeper(emulator_command(self._home, self._port), GRACE_SECONDS, changed)

    def worker(self, pool: Pool, number: int, changed: Callable[[], object]) -> Keeper:
        """A worker's keeper. It gets the user's environment, for handlers and their tools, under these settings."""
        name = f"{pool.name}-{number}"
        ours = {PREFIX + one.name.upper() for one in fields(Settings)}
        environment = {key: value for key, value in os.environ.items() if key not in ours}
        environment |= self._settings.to_environment()
        log = self._home.logs / f"{name}.log"
        command = Command(name, worker_program(pool), environment, self._home.state_dir, log)
        return _keeper(command, worker_grace(self._settings), changed)

    async def healthy(self) -> None:
        """Wait until the emulator answers."""
        await healthy(self._port)

    async def provision(self) -> None:
        """Make or mend the stack; from then on other programs find the fleet."""
        await provision(self._settings, lambda step: self._log.info("provisioning", step=step))
        self._home.write_endpoint(self._port, self.endpoint_url)


def _keeper(command: Command, grace: float, changed: Callable[[], object]) -> Keeper:
    return Keeper(command.name, command.start, log=command.log, grace=grace, changed=changed)
