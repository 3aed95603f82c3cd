"""Makes the parent of the tasks' scratch directories, and removes it at the end and after a killed worker."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .scratch_removal import remove_tree

_PREFIX = "cloudkon-"
_MARKER = ".cloudkon-scratch"
"""A file that only these directories have: others in the system's temporary directory may have such names too."""


@contextmanager
def open_scratch() -> Iterator[Path]:
    """Make a directory for this process's tasks under the system's temporary one (``TMPDIR``) while the block runs.

    Directories of killed workers are removed too: a directory's name ends with its owner's process id.
    """
    parent = Path(tempfile.gettempdir())
    for directory in parent.glob(f"{_PREFIX}*"):
        owner = directory.name.rpartition("-")[2]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and _is_ours(directory):
            remove_tree(str(directory))
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=f"-{os.getpid()}"))
    (path / _MARKER).touch()
    try:
        yield path
    finally:
        remove_tree(str(path))


def _is_ours(directory: Path) -> bool:
    try:
        status = directory.lstat()
        return status.st_uid == os.geteuid() and (directory / _MARKER).is_file() and not directory.is_symlink()
    except OSError:
        return False
