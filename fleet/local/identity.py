"""Records whose a state directory is: its own random id, its place, and its fleet.

A copy of the directory (``cp -a``) has the same files in another place. Without this record its commands would stop the
original's processes, which the copied files name.
"""

import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from cloudkon.errors import InvalidInput
from cloudkon.programs import command
from cloudkon.settings import SECRET_FILE

from ..files import read_json, translate_os_errors, write_json
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
        """Whether this record was made in this directory, which may have been moved since."""
        if directory.stat().st_ino != self.inode:
            return False
        before = Path(self.path)
        if os.path.realpath(directory) == self.path or not (before / FILE).exists():
            return True
        original = Identity.read(before)
        return before.samefile(directory) or original is None or original.id != self.id


def mark(name: str, directory: Path) -> str:
    """Return the mark of a process of this directory's fleet, such as ``worker-1@ID``; ``@ID`` for an empty name."""
    identity = Identity.read(directory)
    return f"{name}@{identity.id if identity else directory}"


def marks(name: str, directory: Path) -> list[str]:
    """Return the marks that a process of this name can have. Older versions marked with the directory's path."""
    return [mark(name, directory), f"{name}@{directory}"]


def is_copy(state_dir: StateDir) -> bool:
    """Whether the directory's records come from another directory. While its supervisor runs, they are its own."""
    identity = Identity.read(state_dir.path)
    return bool(identity and not identity.describes(state_dir.path) and not state_dir.supervisor_lock.is_held())


def own_actual_state(state_dir: StateDir) -> ActualState | None:
    """Return the state that a supervisor of this very directory wrote; ``None`` if there is none."""
    actual = state_dir.actual_state()
    if actual is None or state_dir.supervisor_lock.is_held():
        return actual
    identity = Identity.read(state_dir.path)
    known = not actual.identity or (identity is not None and actual.identity == identity.id)
    return actual if known and not is_copy(state_dir) else None


def check_fleet(state_dir: StateDir, fleet: str) -> None:
    """Raise ``InvalidInput`` if the directory is another fleet's: one directory has one emulator, and its data."""
    identity, actual = Identity.read(state_dir.path), own_actual_state(state_dir)
    owner = (identity.fleet if identity else "") or (actual.fleet if actual else "")
    if owner and owner != fleet:
        delete = f"CLOUDKON_FLEET={owner} {command('fleet down --delete-data')}"
        raise InvalidInput(
            f"fleet {fleet!r}",
            f"{state_dir.path} belongs to the fleet {owner!r}",
            f"Set CLOUDKON_FLEET={owner}, or name another directory in CLOUDKON_STATE_DIR. "
            f"To free this one, run: {delete}",
        )


def claim(state_dir: StateDir, fleet: str) -> str:
    """Make the directory this fleet's, under the command lock; return the original's path if it is a copy, else "".

    A copy keeps its data, and gets an id, a port, a secret and a desired state of its own.
    """
    before, copied = Identity.read(state_dir.path), is_copy(state_dir)
    stat = state_dir.path.stat()
    identity = before if before and not copied else Identity(secrets.token_hex(16), fleet, "", 0)
    identity = replace(identity, fleet=fleet, path=os.path.realpath(state_dir.path), inode=stat.st_ino)
    with translate_os_errors(state_dir.path / FILE):
        if copied:
            state_dir.change_desired_state(lambda desired: desired.without_workers())
            state_dir.write_actual_state(None)
            state_dir.write_endpoint(0)
            (state_dir.path / SECRET_FILE).unlink(missing_ok=True)
        # Last, so that an interrupted claim is done again.
        if identity != before:
            write_json(state_dir.path / FILE, asdict(identity))
    return before.path if before and copied else ""


def disown(state_dir: StateDir) -> None:
    """Record that the directory has no fleet's data any more, so that any fleet may claim it."""
    identity = Identity.read(state_dir.path)
    if identity:
        with translate_os_errors(state_dir.path / FILE):
            write_json(state_dir.path / FILE, asdict(replace(identity, fleet="")))
