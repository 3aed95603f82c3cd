"""Scratch: where tasks get directories of their own, swept at start and at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "cloudkon-"


@contextmanager
def open_scratch() -> Iterator[Path]:
    """A new directory for this process's tasks under the system's temporary one (``TMPDIR``).

    What a killed worker left is swept too: a directory's name ends in its owner's process id.
    """
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        owner = left.name.rpartition("-")[2]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=f"-{os.getpid()}"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
