"""Reads and writes the local fleet's files in the state directory."""

import os
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloudkon.ownership import check_own_directory, read_own
from cloudkon.settings import ENDPOINT_FILE, SECRET_FILE

from ..files import read_json, translate_os_errors, write_json, write_private
from ..lock import Lock
from .actual_state import ActualState
from .desired_state import DesiredState
from .emulator_server.interface import ORDERLY

LONGEST_PORT: Final = 65_535
LEAST_SPACE: Final = 1024 * 1024
"""Bytes that must be free, so that state and logs can be written."""
OWNER_ONLY: Final = 0o700
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""The permissions of the group and of all others."""
SECRET_BYTES: Final = 30


@dataclass(frozen=True, slots=True)
class Save:
    """A save of the emulator's state: when it was made, in epoch seconds, and whether nothing has happened since."""

    time: float
    is_final: bool


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
    def snapshots(self) -> Path:
        """The saved states of the emulator's services, each in a numbered directory."""
        return self.data / "snapshots"

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

    def has_fleet(self) -> bool:
        """Whether ``up`` was ever run here, whatever was removed since."""
        return any(path.exists() for path in (self.logs, self.data, self.path / "supervisor.lock"))

    def make(self) -> None:
        """Make the directories, and take other users' access away, also from what older releases left.

        Raises ``InvalidInput`` (also if it is another user's) or, on a full disk, ``CloudKonError``.
        """
        with translate_os_errors(self.path):
            self.path.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
            self.check_own()
            if self.path.stat().st_mode & OTHERS:
                self.path.chmod(OWNER_ONLY)
                self._close_to_others()
        places = (self.data / "state", self.data / "objects", self.snapshots)
        for path in (self.logs, self.data.parent, self.data, self.scratch, *places):
            with translate_os_errors(path):
                path.mkdir(mode=OWNER_ONLY, exist_ok=True)

    def check_own(self) -> None:
        """Raise ``InvalidInput`` if the directory is another user's, who could have written its records."""
        check_own_directory(self.path)

    def _close_to_others(self) -> None:
        """Take the access of the group and of others away from all files and directories, except the installation's."""
        for directory, names, files in os.walk(self.path):
            if Path(directory) == self.installation.parent:
                names[:] = [name for name in names if name != self.installation.name]
            for name in (*names, *files):
                path = Path(directory, name)
                with suppress(FileNotFoundError):
                    mode = path.lstat().st_mode
                    if mode & OTHERS and not stat.S_ISLNK(mode):
                        path.chmod(stat.S_IMODE(mode) & ~OTHERS)

    def separate(self, command_lock: Lock) -> None:
        """Replace the files of a copy that are links to the original's: logs, journals and locks are written in place.

        The emulator's are only ever replaced as a whole. ``command_lock`` is the one that the caller holds. Raises
        ``OSError``.
        """
        command_lock.replace_file()
        for name in ("supervisor.lock", "wanted.lock"):
            (self.path / name).unlink(missing_ok=True)
        for directory, names, files in os.walk(self.path):
            names[:] = [name for name in names if Path(directory, name) != self.data.parent]
            for path in (Path(directory, name) for name in files):
                status = path.lstat()
                linked = stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1)
                if linked and path.is_file():
                    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
                    shutil.copy2(path, staged)
                    staged.replace(path)

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

    def has_secret(self) -> bool:
        """Whether the emulator checks signatures: fleets of older releases have no secret."""
        return (self.path / SECRET_FILE).exists()

    def secret(self) -> str:
        """Return the secret access key of this fleet's emulator; make it at the first time.

        Raises ``InvalidInput`` if its file is another user's, and ``OSError``.
        """
        with suppress(FileNotFoundError, ValueError):
            if secret := read_own(self.path / SECRET_FILE):
                return secret
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self.write_secret(secret)
        return secret

    def write_secret(self, secret: str) -> None:
        """Publish the secret for the owner's programs. Raises ``OSError``."""
        write_private(self.path / SECRET_FILE, f"{secret}\n")

    def last_save(self) -> Save | None:
        """Return the emulator's last save; ``None`` if it never saved, so that no program has ever found the fleet."""
        numbered = [path for path in self.snapshots.glob("*") if path.name.isdecimal()]
        newest = max(numbered, key=lambda path: int(path.name), default=None)
        with suppress(OSError, ValueError):
            if newest:
                times = [path.stat().st_mtime for path in newest.iterdir()]
                return Save(max(times), is_final=(newest / ORDERLY).exists())
            # An emulator of an older release only saves at its end.
            return Save((self.data / "state" / "sqs.json").stat().st_mtime, is_final=True)
        return None

    def delete_data(self) -> None:
        """Delete the emulator's data: messages, ledger and stored objects."""
        with translate_os_errors(self.data):
            if self.data.exists():
                shutil.rmtree(self.data)
