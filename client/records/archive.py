"""Keeps each run's instructions in the store, so that any machine can list and retry failed tasks.

One object per run, ``runs/RUN/instructions.gz``: one line per task, in the order of the tasks' numbers.
"""

import gzip
import hashlib
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import trio

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, ObjectMissing, ObjectTooLarge
from cloudkon.model import Run
from cloudkon.ports import Store
from cloudkon.wire.message import INSTRUCTION_LIMIT

MEDIA_TYPE = "application/gzip"
_GZIP_LEVEL = 1
"""Compresses a million lines in a second or two, to twice the size of the highest level."""
_PIECE_BYTES = 1024 * 1024
_OVERHEAD = 1000
"""Bytes by which a compressed file may be longer than its lines."""
_OTHER = "holds other instructions than the run was pushed with"
_REMEDY = "Push the failed lines as a new workload"


@dataclass(frozen=True, slots=True)
class Instructions:
    """The instructions of a run in a compressed file. Each iteration streams it from its beginning."""

    path: Path

    def __iter__(self) -> Iterator[str]:
        """Iterate over all instructions in the order of the tasks' numbers."""
        with gzip.open(self.path, "rb") as stream:
            for line in stream:
                yield line.decode().removesuffix("\n")

    def some(self, numbers: Collection[int]) -> dict[int, str]:
        """Return the instructions of the tasks with these numbers."""
        wanted = set(numbers)
        found: dict[int, str] = {}
        if wanted:
            for number, instruction in enumerate(self):
                if number in wanted:
                    found[number] = instruction
                    if len(found) == len(wanted):
                        break
        return found


def _key(run: Run) -> str:
    return f"runs/{run.id}/instructions.gz"


async def keep_instructions(store: Store, run: Run, files: Mapping[str, IO[bytes]]) -> None:
    """Store a run's instructions, ``files`` by pool, unless the store has them. Raises what the store raises."""
    try:
        await persist(lambda: store.head(store.address(_key(run))), BRIEF)
    except ObjectMissing:
        with tempfile.TemporaryDirectory(prefix="cloudkon-") as folder:
            path = Path(folder, "instructions.gz")
            await trio.to_thread.run_sync(_compress, run, files, path)
            await persist(lambda: store.put(_key(run), path, MEDIA_TYPE, {}), BRIEF)


def _compress(run: Run, files: Mapping[str, IO[bytes]], path: Path) -> None:
    with gzip.open(path, "wb", _GZIP_LEVEL) as target:
        for part in run.ranges:
            source = files[part.pool]
            source.seek(0)
            shutil.copyfileobj(source, target)


class InstructionsMissing(InvalidInput):
    """The store has no instructions of a run."""


async def fetch_instructions(store: Store, run: Run, path: Path) -> None:
    """Download a run's compressed instructions to a file, and check that the run was pushed with them.

    Raises ``InstructionsMissing``, or ``InvalidInput`` if the object is damaged or holds other instructions.
    """
    most = _most_bytes(run)
    try:
        await persist(lambda: store.get(store.address(_key(run)), path, most + most // 1000 + _OVERHEAD), BRIEF)
    except ObjectMissing:
        raise InstructionsMissing(f"run {run.id!r}", "its instructions are not in the store", _REMEDY) from None
    except ObjectTooLarge:
        raise InvalidInput(f"run {run.id!r}", f"{store.address(_key(run))} {_OTHER}", _REMEDY) from None
    problem = await trio.to_thread.run_sync(_problem, run, path)
    if problem:
        raise InvalidInput(f"run {run.id!r}", f"{store.address(_key(run))} {problem}", _REMEDY)


def _most_bytes(run: Run) -> int:
    """The bytes that a run's instructions can have, each with its line break."""
    return run.archive_size or run.count * (INSTRUCTION_LIMIT + 1)


def _problem(run: Run, path: Path) -> str:
    """Say why a file does not hold a run's instructions; empty if it does. Memory and time are bounded.

    A run with several pools of an earlier version has no digest of its instructions in this order: then only their
    number is checked.
    """
    expected = run.archive_digest or (run.digest if len(run.ranges) == 1 else "")
    digest, size, lines, begun = hashlib.sha256(), 0, 0, 0
    try:
        with gzip.open(path, "rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
                lines += piece.count(b"\n")
                begun = len(piece) - 1 - piece.rfind(b"\n") if b"\n" in piece else begun + len(piece)
                if size > _most_bytes(run) or lines > run.count or begun > INSTRUCTION_LIMIT:
                    return _OTHER
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"is damaged: {error}"
    return _OTHER if lines != run.count or begun or expected not in ("", digest.hexdigest()) else ""


@asynccontextmanager
async def kept_instructions(store: Store, run: Run) -> AsyncIterator[Instructions]:
    """Fetch a run's instructions to a temporary file. Raises what ``fetch_instructions`` raises."""
    with tempfile.TemporaryDirectory(prefix="cloudkon-") as folder:
        path = Path(folder, "instructions.gz")
        await fetch_instructions(store, run, path)
        yield Instructions(path)
