"""Reads and writes the local fleet's files in the state directory."""

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
"""Bytes that must be free, so that state and logs can be written."""


@dataclass(frozen=True, slots=True)
class StateDir:
    """One state directory; ``path`` is absolute, so that it means the same in every working directory."""

    path: Path

    @property
    def logs(self) -> Path:
        """The log files, one for each process: ``worker-1.log``, ``emulator.log``, ``supervisor.log``."""
        return self.path / "logs"

    @property
    def installation(self) -> Path:
        """The emulator's own virtual environment."""
        return self.path / "emulator" / "venv"

    @property
    def data(self) -> Path:
        """The data that the emulator keeps between its starts."""
        return self.path / "emulator" / "data"

    @property
    def scratch(self) -> Path:
        """The emulator's directory for temporary files."""
        return self.path / "emulator" / "tmp"

    @property
    def command_lock(self) -> Lock:
        """Held by ``up`` and ``down``, so that one of them runs at a time."""
        return Lock(self.path / "command.lock")

    @property
    def supervisor_lock(self) -> Lock:
        """Held by the supervisor while it runs."""
        return Lock(self.path / "supervisor.lock")

    @property
    def desired_state_path(self) -> Path:
        """The desired state's file. The supervisor watches it for changes."""
        return self.path / "wanted.json"

    def make(self) -> None:
        """Make the directories. Raises ``InvalidInput`` or, on a full disk, ``CloudKonError``."""
        for path in (self.logs, self.data / "state", self.data / "objects", self.scratch):
            with translate_os_errors(path):
                path.mkdir(parents=True, exist_ok=True)

    def check_space(self) -> None:
        """Raise ``CloudKonError`` if the disk is almost full, before anything is started."""
        probe = self.path / "space.probe"
        with translate_os_errors(probe):
            try:
                probe.write_bytes(bytes(LEAST_SPACE))
            finally:
                probe.unlink(missing_ok=True)

    def desired_state(self) -> DesiredState:
        """Return the desired state."""
        return DesiredState.from_json(read_json(self.desired_state_path))

    def change_desired_state(self, change: Callable[[DesiredState], DesiredState]) -> DesiredState:
        """Change the desired state, one command at a time; return the changed state."""
        with Lock(self.path / "wanted.lock").briefly(), translate_os_errors(self.desired_state_path):
            desired = change(self.desired_state())
            write_json(self.desired_state_path, desired.to_json())
        return desired

    def actual_state(self) -> ActualState | None:
        """Return the state that the supervisor last wrote, even if it has died since; ``None`` if there is none."""
        return ActualState.from_json(read_json(self.path / "observed.json"))

    def write_actual_state(self, actual: ActualState | None) -> None:
        """Write the actual state; ``None`` removes the file. Raises ``OSError``."""
        path = self.path / "observed.json"
        if actual is None:
            path.unlink(missing_ok=True)
        else:
            write_json(path, actual.to_json())

    def port(self) -> int:
        """Return the emulator's last port, or 0."""
        port: Any = read_json(self.path / ENDPOINT_FILE).get("port")
        return port if isinstance(port, int) and 0 < port <= LONGEST_PORT else 0

    def write_endpoint(self, port: int, endpoint_url: str = "") -> None:
        """Publish the emulator's address for all programs. Without ``endpoint_url`` they find no fleet.

        The port is kept, because the queue URLs that the emulator saves contain it. Raises ``OSError``.
        """
        value = {
            "port": port,
            "inode": self.path.stat().st_ino,
            **({"endpoint_url": endpoint_url} if endpoint_url else {}),
        }
        write_json(self.path / ENDPOINT_FILE, value)

    def saved_at(self) -> float:
        """Return when the emulator last saved its queues, in epoch seconds; 0.0 if it never did."""
        try:
            return (self.data / "state" / "sqs.json").stat().st_mtime
        except OSError:
            return 0.0

    def delete_data(self) -> None:
        """Delete the emulator's data: messages, ledger and stored objects."""
        with translate_os_errors(self.data):
            if self.data.exists():
                shutil.rmtree(self.data)
