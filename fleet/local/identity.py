"""Records whose a state directory is: its own random id, its place, and its fleet.

A copy of the directory (``cp -a``, ``cp -al``) has the same files in another place. Without this record its commands
would stop the original's processes, which the copied files name. A directory's inode is what no copy shares: files can
be hard links to the original's, and so can its locks.
"""

import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from cloudkon.errors import InvalidInput
from cloudkon.programs import command
from cloudkon.settings import PREFIX, SECRET_FILE

from ..files import read_json, translate_os_errors, write_json
from ..lock import Lock
from .actual_state import ActualState
from .state_dir import StateDir

FILE: Final = "identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """``fleet`` is empty if the directory has no fleet's data; ``path`` is the real path, without links."""

    id: str
    fleet: str
    path: str
    inode: int

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Return the directory's record; ``None`` for a new directory, one of an older version, or a damaged record."""
        value = read_json(directory / FILE)
        texts = [value.get(name) for name in ("id", "fleet", "path")]
        inode = value.get("inode")
        if not (all(isinstance(text, str) for text in texts) and texts[0] and isinstance(inode, int)):
            return None
        return cls(**{name: value[name] for name in ("id", "fleet", "path", "inode")})

    def describes(self, directory: Path) -> bool:
        """Whether this record was made in this directory, which may have been moved since, or be reached by a link."""
        if directory.stat().st_ino != self.inode:
            return False
        before = Path(self.path)
        if os.path.realpath(directory) == self.path or not (before / FILE).exists():
            return True
        original = Identity.read(before)
        return before.samefile(directory) or original is None or original.id != self.id


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """What a directory's files say about it, from one reading of its identity.

    ``copy_of`` is the original's path if the files came here as copies; then nothing else in them is this directory's,
    and ``actual``, which names processes, is ``None``.
    """

    identity: Identity | None
    actual: ActualState | None
    copy_of: str = ""

    @classmethod
    def read(cls, state_dir: StateDir) -> Self:
        """Read the records of a directory, which need not exist."""
        identity = Identity.read(state_dir.path)
        if identity and not identity.describes(state_dir.path):
            return cls(identity, None, identity.path)
        actual = state_dir.actual_state()
        return cls(identity, actual if actual and _is_own(actual, identity, state_dir) else None)

    def check_fleet(self, state_dir: StateDir, fleet: str) -> None:
        """Raise ``InvalidInput`` if the directory is another fleet's: one directory has one emulator, and its data."""
        owner = (self.identity.fleet if self.identity else "") or (self.actual.fleet if self.actual else "")
        if owner and owner != fleet:
            delete = f"CLOUDKON_FLEET={owner} {command('fleet down --delete-data')}"
            raise InvalidInput(
                f"fleet {fleet!r}",
                f"{state_dir.path} belongs to the fleet {owner!r}",
                f"Set CLOUDKON_FLEET={owner}, or name another directory in CLOUDKON_STATE_DIR. "
                f"To free this one, run: {delete}",
            )


def _is_own(actual: ActualState, identity: Identity | None, state_dir: StateDir) -> bool:
    """Whether a supervisor of this directory wrote the state, where its identity is none of a copy."""
    if identity and actual.identity == identity.id:
        return True
    # Of an older version, or the record of the identity was lost, or lost and made anew while the supervisor runs.
    if actual.identity and not state_dir.supervisor_lock.is_held():
        return False
    place = Path(actual.settings.get(f"{PREFIX}STATE_DIR", state_dir.path))
    return not place.exists() or place.samefile(state_dir.path)


def mark(name: str, directory: Path) -> str:
    """Return the mark of a process of this directory's fleet, such as ``worker-1@ID``; ``@ID`` for an empty name."""
    identity = Identity.read(directory)
    return f"{name}@{identity.id if identity else directory}"


def marks(name: str, directory: Path) -> list[str]:
    """Return the marks that a process of this name can have. Older versions marked with the directory's path."""
    return [mark(name, directory), f"{name}@{directory}"]


def claim(state_dir: StateDir, fleet: str, command_lock: Lock) -> OwnRecords:
    """Make the directory this fleet's, under the command lock; return its records from then on.

    A copy keeps its data, and gets an id, a port, a secret, a desired state and locks of its own. Raises
    ``InvalidInput`` if the directory is another fleet's.
    """
    before = OwnRecords.read(state_dir)
    before.check_fleet(state_dir, fleet)
    identity = before.identity if not before.copy_of else None
    identity = identity or Identity(secrets.token_hex(16), fleet, "", 0)
    inode = state_dir.path.stat().st_ino
    identity = replace(identity, fleet=fleet, path=os.path.realpath(state_dir.path), inode=inode)
    with translate_os_errors(state_dir.path / FILE):
        if before.copy_of:
            state_dir.separate(command_lock)
            state_dir.change_desired_state(lambda desired: desired.without_workers())
            state_dir.write_actual_state(None)
            state_dir.write_endpoint(0)
            (state_dir.path / SECRET_FILE).unlink(missing_ok=True)
        # Last, so that an interrupted claim is done again.
        if identity != before.identity:
            write_json(state_dir.path / FILE, asdict(identity))
    return replace(before, identity=identity)


def disown(state_dir: StateDir) -> None:
    """Record that the directory has no fleet's data any more, so that any fleet may claim it."""
    identity = Identity.read(state_dir.path)
    if identity:
        with translate_os_errors(state_dir.path / FILE):
            write_json(state_dir.path / FILE, asdict(replace(identity, fleet="")))
