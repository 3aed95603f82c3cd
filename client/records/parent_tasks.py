"""Keeps which task of its parent each task of a retry is.

One object per retry, ``runs/RUN/parents.gz``: a line per task, in the order of the tasks' numbers, with the number of
the parent's task. The run's item in the ledger has the SHA-256 of the lines, so that no other list is taken for it.
"""

import hashlib
import tempfile
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path

import trio

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, ObjectMissing, ObjectTooLarge
from cloudkon.model import Run
from cloudkon.ports import Store

MEDIA_TYPE = "application/gzip"
_GZIP = 31
"""zlib's window argument for gzip files."""
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
    packer = zlib.compressobj(wbits=_GZIP)
    packed = packer.compress(_lines(numbers)) + packer.flush()
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
        packed = await trio.Path(path).read_bytes()
    try:
        lines = zlib.decompressobj(_GZIP).decompress(packed, most)
    except zlib.error:
        lines = b""
    if hashlib.sha256(lines).hexdigest() != run.parent_tasks:
        raise _other(store, run)
    try:
        numbers = array("Q", map(int, lines.split()))
    except (OverflowError, ValueError):
        numbers = array("Q")
    if len(numbers) != run.count or len(set(numbers)) != run.count:
        raise InvalidInput(f"run {run.id!r}", "its list of parent's tasks has other tasks than the run")
    return numbers


def _other(store: Store, run: Run) -> InvalidInput:
    reason = f"{store.address(_key(run))} is not the list of parent's tasks that it was pushed with"
    return InvalidInput(f"run {run.id!r}", reason, "Restore the object, or delete it to use the run's own numbers")
