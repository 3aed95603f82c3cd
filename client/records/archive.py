"""Keeps each run's instructions in the store, so that any machine can list and retry failed tasks.

One object per run, ``runs/RUN/instructions.gz``: one line per task, in the order of the tasks' numbers.
"""

import gzip
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import trio

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, ObjectMissing
from cloudkon.model import Run
from cloudkon.ports import Store

MEDIA_TYPE = "application/gzip"
_GZIP_LEVEL = 1
"""Compresses a million lines in a second or two, to twice the size of the highest level."""


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


async def fetch_instructions(store: Store, run: Run, path: Path) -> None:
    """Download a run's compressed instructions to a file. Raises ``InvalidInput`` if the store does not have them."""
    try:
        await persist(lambda: store.get(store.address(_key(run)), path), BRIEF)
    except ObjectMissing:
        remedy = "Push the failed lines as a new workload"
        raise InvalidInput(f"run {run.id!r}", "its instructions are not in the store", remedy) from None


@asynccontextmanager
async def kept_instructions(store: Store, run: Run) -> AsyncIterator[Instructions]:
    """Fetch a run's instructions to a temporary file. Raises ``InvalidInput`` if the store does not have them."""
    with tempfile.TemporaryDirectory(prefix="cloudkon-") as folder:
        path = Path(folder, "instructions.gz")
        await fetch_instructions(store, run, path)
        yield Instructions(path)
