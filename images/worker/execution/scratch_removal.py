"""Removes directories in which tasks may have left anything: odd modes, links, trees of any depth, mounts."""

import os
import secrets
import stat
from contextlib import suppress
from itertools import count, islice
from typing import Final

_OPEN_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FEW_FILES: Final = 32
_SMALL_BYTES: Final = 1_000_000
"""To remove a large file may take as long as to remove a thousand small ones."""
_NAME_BITS: Final = 64
_PATH_ONLY: Final = getattr(os, "O_PATH", os.O_RDONLY)


def remove_small(directory: str) -> bool:
    """Remove a directory that has a few small files and nothing else; return whether it is gone."""
    try:
        folder = os.open(directory, _OPEN_DIRECTORY)
        try:
            with os.scandir(folder) as entries:
                for entry in islice(entries, _FEW_FILES):
                    if entry.stat(follow_symlinks=False).st_size > _SMALL_BYTES:
                        return False
                    os.unlink(entry.name, dir_fd=folder)
        finally:
            os.close(folder)
        os.rmdir(directory)  # noqa: PTH106  (a ``Path`` takes longer than the call)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove_tree(directory: str) -> bool:
    """Remove a directory and all in it; return whether it is gone. What the kernel refuses to remove stays.

    No link is followed, whatever happens meanwhile. Folders are moved up before they are emptied, so that it takes two
    descriptors for trees of any depth.
    """
    try:
        top = _open(directory, None)
    except FileNotFoundError:
        return True
    except OSError:
        # It is no directory any more.
        with suppress(OSError):
            os.unlink(directory)  # noqa: PTH108  (a string)
        return not os.path.lexists(directory)
    with suppress(OSError):
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(directory)  # noqa: PTH106  (a string)
    return not os.path.lexists(directory)


def _empty(top: int) -> None:
    # No other process may guess the names.
    numbers = count(secrets.randbits(_NAME_BITS))
    refused: set[str] = set()
    while folders := _remove_files(top) - refused:
        for name in folders:
            with suppress(OSError):
                folder = _open(name, top)
                try:
                    for inner in _remove_files(folder):
                        with suppress(OSError):
                            _move_up(inner, f".removed-{next(numbers)}", folder, top)
                finally:
                    os.close(folder)
                os.rmdir(name, dir_fd=top)
                continue
            # A mount, an immutable file, or a folder of another user.
            refused.add(name)


def _move_up(name: str, new: str, folder: int, top: int) -> None:
    # To move a folder, one must be able to write it.
    os.close(_open(name, folder))
    # Should something have the new name, then either it is replaced, or this folder stays.
    os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)


def _open(name: str, parent: int | None) -> int:
    """Open a directory, and give its owner all rights to it."""
    handle = os.open(name, _PATH_ONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        with suppress(OSError):
            # It leads to the very directory, whatever is at its name now.
            os.chmod(f"/proc/self/fd/{handle}", stat.S_IRWXU)  # noqa: PTH101  (a string)
        return os.open(".", _OPEN_DIRECTORY, dir_fd=handle)
    finally:
        os.close(handle)


def _remove_files(folder: int) -> set[str]:
    """Remove all from a folder but other folders; return their names."""
    folders = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
            else:
                with suppress(OSError):
                    os.unlink(entry.name, dir_fd=folder)
    return folders
