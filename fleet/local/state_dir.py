"""Home: the local fleet's places in the state directory, and what is kept there."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloudkon.settings import ENDPOINT_FILE

from ..files import read_json, translate_os_errors, write_json
from ..lock import Lock
from .actual_state import ActualState
from .desired_state import DesiredState

LONGEST_PORT: Final = 65_535
LEAST_SPACE: Final = 1024 * 1024
"""Bytes that must be free, so that state and logs can be written at all."""


@dataclass(frozen=True, slots=True)
class StateDir:
    """One state directory, absolute, so that processes with other working directories mean the same one."""

    path: Path

    @property
    def logs(self) -> Path:
        """One file a process: ``worker-1.log``, ``emulator.log``, ``supervisor.log``."""
        return self.path / "logs"

    @property
    def installation(self) -> Path:
        """The emulator's own virtual environment."""
        return self.path / "emulator" / "venv"

    @property
    def data(self) -> Path:
        """What the emulator keeps from one start to the next."""
        return self.path / "emulator" / "data"

    @property
    def scratch(self) -> Path:
        """The emulator's directory for temporary files."""
        return self.path / "emulator" / "tmp"

    @property
    def command_lock(self) -> Lock:
        """Held by ``up`` and ``down``: one at a time."""
        return Lock(self.path / "command.lock")

    @property
    def supervisor_lock(self) -> Lock:
        """Held by the supervisor for as long as it lives."""
        return Lock(self.path / "supervisor.lock")

    @property
    def desired_state_path(self) -> Path:
        """What is wanted; the supervisor looks whether this file changes."""
        return self.path / "wanted.json"

    def make(self) -> None:
        """Make the directories. Raises ``InvalidInput`` or, on a full disk, ``CloudKonError``."""
        for path in (self.logs, self.data / "state", self.data / "objects", self.scratch):
            with translate_os_errors(path):
                path.mkdir(parents=True, exist_ok=True)

    def check_space(self) -> None:
        """Raise ``CloudKonError`` if the disk is as good as full: better now than when something half-runs."""
        probe = self.path / "space.probe"
        with translate_os_errors(probe):
            try:
                probe.write_bytes(bytes(LEAST_SPACE))
            finally:
                probe.unlink(missing_ok=True)

    def desired_state(self) -> DesiredState:
        """What is wanted now."""
        return DesiredState.from_json(read_json(self.desired_state_path))

    def change_desired_state(self, change: Callable[[DesiredState], DesiredState]) -> DesiredState:
        """Change what is wanted, one command at a time, and give it as changed."""
        with Lock(self.path / "wanted.lock").briefly(), translate_os_errors(self.desired_state_path):
            desired = change(self.desired_state())
            write_json(self.desired_state_path, desired.to_json())
        return desired

    def actual_state(self) -> ActualState | None:
        """What the supervisor, dead or alive, last wrote; ``None`` if nothing."""
        return ActualState.from_json(read_json(self.path / "observed.json"))

    def write_actual_state(self, actual: ActualState | None) -> None:
        """Write what is observed now, or forget it. Raises ``OSError``."""
        path = self.path / "observed.json"
        if actual is None:
            path.unlink(missing_ok=True)
        else:
            write_json(path, actual.to_json())

    def port(self) -> int:
        """The port that the emulator last had, or 0."""
        port: Any = read_json(self.path / ENDPOINT_FILE).get("port")
        return port if isinstance(port, int) and 0 < port <= LONGEST_PORT else 0

    def write_endpoint(self, port: int, endpoint_url: str = "") -> None:
        """Tell all programs where the emulator answers. Without ``endpoint_url`` there is no fleet for them.

        The port is kept, since the queue URLs that the emulator remembers have it in them. Raises ``OSError``.
        """
        value = {"port": port, **({"endpoint_url": endpoint_url} if endpoint_url else {})}
        write_json(self.path / ENDPOINT_FILE, value)

    def saved_at(self) -> float:
        """When the emulator last saved its queues, in epoch seconds; 0.0 if it never did."""
        try:
            return (self.data / "state" / "sqs.json").stat().st_mtime
        except OSError:
            return 0.0

    def delete_data(self) -> None:
        """Delete all that the emulator keeps: messages, ledger and stored objects."""
        with translate_os_errors(self.data):
            if self.data.exists():
                shutil.rmtree(self.data)
