"""Refuses files and directories of other users where our own are trusted."""

import os
from pathlib import Path

from cloudkon.errors import InvalidInput
from cloudkon.programs import command


def check_own(path: Path, found: os.stat_result, remedy: str) -> None:
    """Raise ``InvalidInput`` if the file or directory is another user's, who may have put anything there."""
    own = os.geteuid()
    if found.st_uid != own:
        raise InvalidInput(str(path), f"belongs to user {found.st_uid}, and you are user {own}", remedy)


def check_own_directory(path: Path) -> None:
    """Raise ``InvalidInput`` if the state directory exists and is another user's."""
    try:
        found = path.stat()
    except OSError:
        # Missing, or not readable: nothing in it can be trusted or used.
        return
    check_own(path, found, "Name a directory of your own in CLOUDKON_STATE_DIR")


def read_own(path: Path) -> str:
    """Return the text of an ASCII file, stripped. Raises ``InvalidInput`` if it is another user's, and ``OSError``."""
    with path.open(encoding="ascii") as file:
        check_own(path, os.fstat(file.fileno()), f"Remove it, and make a new one with: {command('fleet up')}")
        return file.read().strip()
