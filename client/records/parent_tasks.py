"""Keeps which task of its parent each task of a retry is.

One object per retry, ``runs/RUN/parents.gz``: a line per task, in the order of the tasks' numbers, with the number of
the parent's task. The run's item in the ledger has the SHA-256 of the lines, so that no other list is taken for it.
"""

import gzip
import hashlib
import tempfile
import zlib
from array import array
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, ObjectMissing, ObjectTooLarge
from cloudkon.model import Run
from cloudkon.ports import Store

MEDIA_TYPE = "application/gzip"
_PIECE_BYTES = 1024 * 1024
_LONGEST_LINE = 20
"""Bytes of a line at most: a number of 64 bits, and a line break."""
_OVERHEAD = 1000
"""Bytes by which a compressed list may be longer than its lines."""


def digest_of(numbers: Sequence[int]) -> str:
    """Return the digest of a list, for the run's item."""
    return hashlib.sha256(_lines(numbers)).hexdigest()


def _lines(numbers: Sequence[int]) -> bytes:
    return "".join(f"{number}\n" for number in numbers).encode()


def _key(run: Run) -> str:
    return f"runs/{run.id}/parents.gz"


async def keep_parent_tasks(store: Store, run: Run, numbers: Sequence[int]) -> None:
    """Store a retry's list. Raises what the store raises."""
    packed = gzip.compress(_lines(numbers), mtime=0)
    await persist(lambda: store.put(_key(run), packed, MEDIA_TYPE, {}), BRIEF)


async def parent_tasks(store: Store, run: Run) -> Sequence[int] | None:
    """Return the number of the parent's task for each task of a retry; ``None`` if that was not recorded.

    Raises ``InvalidInput`` if the store's list is not the one that the run was pushed with, and what the store raises.
    """
    if not run.parent_tasks:
        return None
    most = run.count * _LONGEST_LINE
    with tempfile.TemporaryDirectory(prefix="cloudkon-") as folder:
        path = Path(folder, "parents.gz")
        try:
            await persist(lambda: store.get(store.address(_key(run)), path, most + _OVERHEAD), BRIEF)
        except ObjectMissing:
            return None
        except ObjectTooLarge:
            raise _other(store, run) from None
        # Nothing of the file is used before all of it is known to be the right list.
        if await trio.to_thread.run_sync(_digest_within, path, most) != run.parent_tasks:
            raise _other(store, run)
        numbers = await trio.to_thread.run_sync(_numbers, path)
    if len(numbers) != run.count or len(set(numbers)) != run.count:
        raise InvalidInput(f"run {run.id!r}", "its list of parent's tasks has other tasks than the run")
    return numbers


def _digest_within(path: Path, most: int) -> str:
    """Return the digest of a packed file's lines; empty if they can't be unpacked or have more than ``most`` bytes."""
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path, "rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                size += len(piece)
                if size > most:
                    return ""
                digest.update(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return ""
    return digest.hexdigest()


def _numbers(path: Path) -> Sequence[int]:
    """Return the numbers in a packed file; none if it has anything else. A line that is too long counts as several."""
    with gzip.open(path, "rb") as stream:
        try:
            return array("Q", map(int, iter(partial(stream.readline, _LONGEST_LINE), b"")))
        except (OverflowError, ValueError):
            return array("Q")


def _other(store: Store, run: Run) -> InvalidInput:
    reason = f"{store.address(_key(run))} is not the list of parent's tasks that it was pushed with"
    return InvalidInput(f"run {run.id!r}", reason, "Restore the object, or delete it to use the run's own numbers")
