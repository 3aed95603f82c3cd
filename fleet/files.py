"""Small files in the state directory: written whole or not at all, with faults in clear words."""

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cloudkon.errors import CloudKonError, InvalidInput

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn ``OSError`` into a full disk (exit code 1) or a place that can't be used (exit code 2)."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in FULL:
            raise CloudKonError(f"{path}: {reason}. Nothing was changed; free some space and try again") from error
        remedy = "Make it writable, or name another place in CLOUDKON_STATE_DIR"
        raise InvalidInput(str(path), f"it can't be used: {reason}", remedy) from error


def write_json(path: Path, value: object) -> None:
    """Replace a file by ``value`` in one step: readers see the old or the new one, never a half. Raises ``OSError``."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        staged.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """What the file holds; nothing if it is missing, or is no JSON object (hand-made, or left by a full disk)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
