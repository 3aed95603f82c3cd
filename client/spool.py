"""Spool: a checked workload on disk, pool by pool, so that any number of lines is pushed in the same memory."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from client.workload import HOW_TO_GET_ONE
from cloudkon.errors import InvalidInput, InvalidInstruction, InvalidWorkload
from cloudkon.instructions.lines import Line, lines_in
from cloudkon.wire.message import MESSAGE_LIMIT, MOST_TASKS, fits
from cloudkon.words import Run

MOST_PROBLEMS = 20
"""Problems of a workload that are shown; the others are counted."""


@dataclass(frozen=True, slots=True)
class Spool:
    """A workload whose every line was checked.

    ``digest`` is the SHA-256 of its instructions in the file's order, ``counts`` how many each pool gets, in the
    order in which the file first names them.
    """

    digest: str
    chunk_size: int
    counts: dict[str, int]
    files: dict[str, IO[bytes]]

    @property
    def count(self) -> int:
        """How many instructions it has."""
        return sum(self.counts.values())

    def instructions(self, pool: str) -> Iterator[str]:
        """A pool's instructions in the file's order; one reader at a time."""
        stream = self.files[pool]
        stream.seek(0)
        for line in stream:
            yield line.decode().removesuffix("\n")

    def plan(self, run_id: str, started: float) -> Run:
        """The run that a push of it makes; ``started`` in epoch seconds."""
        return Run.plan(
            run_id=run_id, counts=self.counts, chunk_size=self.chunk_size, digest=self.digest, started=started
        )


@contextmanager
def spool_workload(
    stream: IO[bytes], name: str, directory: Path, *, chunk_size: int = 1, handlers: tuple[str, ...] = ()
) -> Iterator[Spool]:
    """Check every line and spool it; the files have no names and vanish at the end, whatever the end.

    ``name`` is what errors call the workload, ``handlers`` are the first words that users' own handlers take.
    Raises ``InvalidWorkload`` with the line numbers of what can't be run, or if there is nothing to run.
    """
    if not 1 <= chunk_size <= MOST_TASKS:
        raise InvalidInput(f"--chunk {chunk_size}", f"a chunk holds 1 to {MOST_TASKS:,} tasks")
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        intake = _Intake(chunk_size, handlers, directory, files)
        for line in lines_in(stream):
            intake.take(line)
        yield intake.finish(name)


@dataclass(slots=True)
class _OpenChunk:
    """The instructions of a pool's chunk that is not full yet, to see whether they fit one message."""

    line: int
    instructions: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, instruction: str, size: int) -> None:
        self.size += size
        if self.size <= MESSAGE_LIMIT:
            self.instructions.append(instruction)

    def check(self) -> None:
        # JSON makes at most 6 bytes of one: most chunks need no closer look, which costs as much as all other checks.
        if self.size * 6 + 8 * MOST_TASKS <= MESSAGE_LIMIT:
            return
        if self.size > MESSAGE_LIMIT or not fits(self.instructions):
            raise InvalidInstruction(
                "chunk",
                f"the instructions from here on are together over a message's limit of {MESSAGE_LIMIT:,} bytes",
                "Push with a lower --chunk",
            )


class _Intake:
    """Takes lines in, and remembers what is wrong with them."""

    def __init__(self, chunk_size: int, handlers: tuple[str, ...], directory: Path, files: ExitStack) -> None:
        self._chunk_size = chunk_size
        self._handlers = handlers
        self._directory = directory
        self._cleanup = files
        self._digest = hashlib.sha256()
        self._counts: dict[str, int] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._open: dict[str, _OpenChunk] = {}
        self._lines = 0
        self._problems: list[str] = []
        self._problem_count = 0

    def take(self, line: Line) -> None:
        self._lines += 1
        try:
            instruction, pool = line.check(self._handlers)
        except InvalidInstruction as error:
            self._blame(line.number, error)
            return
        data = instruction.encode() + b"\n"
        self._digest.update(data)
        self._file(pool.name).write(data)
        self._counts[pool.name] = self._counts.get(pool.name, 0) + 1
        chunk = self._open.setdefault(pool.name, _OpenChunk(line.number))
        chunk.add(instruction, len(data))
        if self._counts[pool.name] % self._chunk_size == 0:
            self._close_chunk(pool.name)

    def finish(self, name: str) -> Spool:
        for pool in list(self._open):
            self._close_chunk(pool)
        if self._problem_count:
            raise InvalidWorkload(name, self._complaint())
        if not self._counts:
            raise InvalidWorkload(name, "there is no instruction in it", HOW_TO_GET_ONE)
        for stream in self._files.values():
            stream.flush()
        return Spool(self._digest.hexdigest(), self._chunk_size, self._counts, self._files)

    def _file(self, pool: str) -> IO[bytes]:
        if pool not in self._files:
            stream = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  (the stack closes it)
            self._files[pool] = self._cleanup.enter_context(stream)
        return self._files[pool]

    def _close_chunk(self, pool: str) -> None:
        chunk = self._open.pop(pool)
        try:
            chunk.check()
        except InvalidInstruction as error:
            self._blame(chunk.line, error)

    def _blame(self, line: int, error: InvalidInstruction) -> None:
        self._problem_count += 1
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(f"line {line}: {error}")

    def _complaint(self) -> str:
        shown = list(self._problems)
        if more := self._problem_count - len(shown):
            shown.append(f"and {more:,} more")
        what = "problem" if self._problem_count == 1 else "problems"
        head = f"{self._problem_count:,} {what} in {self._lines:,} lines; nothing was sent"
        return "\n  ".join([head, *shown])
