"""Reads and writes small files in the state directory, each replaced as a whole, and explains disk errors."""

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cloudkon.errors import CloudKonError, InvalidInput

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into an error that names the full disk (exit code 1) or the unusable path (exit code 2)."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in DISK_FULL:
            raise CloudKonError(f"{path}: {reason}. Nothing was changed. Free some space and try again") from error
        remedy = "Make it writable, or name another directory in CLOUDKON_STATE_DIR"
        raise InvalidInput(str(path), f"can't be used: {reason}", remedy) from error


def write_json(path: Path, value: object) -> None:
    """Replace a file's content with ``value``, as ``write_private`` does."""
    write_private(path, json.dumps(value, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file's content in one step: readers see the old or the new one. Only its owner can read it.

    Raises ``OSError``.
    """
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(staged, "x", encoding="utf-8", opener=open_private) as file:
            file.write(text)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def open_private(path: str, flags: int) -> int:
    """Open a file, as ``opener`` of ``open``: a new file is readable by its owner only."""
    return os.open(path, flags, 0o600)


def read_json(path: Path) -> dict[str, Any]:
    """Return a file's JSON object; an empty one if the file is missing or damaged (by hand, or by a full disk)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
