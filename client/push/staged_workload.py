"""Checks a workload and stages it on disk, one file per pool, so that memory does not grow with its lines."""

import hashlib
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO

from cloudkon.errors import InvalidInput, InvalidInstruction, InvalidWorkload
from cloudkon.instructions.workload_lines import Line, lines_in
from cloudkon.model import Priority, Run
from cloudkon.wire.message import MOST_TASKS

from ..records.parent_tasks import digest_of
from .durations import Durations
from .open_chunk import OpenChunk, most_that_fit
from .problems import Problems
from .template import Template
from .workload import HOW_TO_GET_ONE

_PIECE_BYTES = 1024 * 1024
REPORTED_INSTRUCTIONS = 10_000
"""Instructions between two reports of how many were checked: a tenth of a second."""


@dataclass(frozen=True, slots=True)
class StagedWorkload:
    """A workload of which every line has been checked.

    ``digest`` is the SHA-256 of its instructions in the file's order. ``counts`` holds the number of instructions per
    pool, in the order in which the pools first occur in the file. ``size`` is the size of all instructions in bytes,
    ``longest`` the size of the longest.
    """

    digest: str
    chunk_size: int
    counts: dict[str, int]
    files: dict[str, IO[bytes]]
    size: int
    longest: int
    parent: str = ""
    """The run whose failures it retries."""
    priority: Priority = Priority.NORMAL
    """Decides which queue its messages are sent to."""
    archive_digest: str = ""
    """The SHA-256 of its instructions in the order of the tasks' numbers."""
    parent_numbers: Sequence[int] = ()
    """For each task, in the order of the tasks' numbers, the number of the parent's task that it retries."""
    parent_tasks: str = ""
    """The digest of these numbers; a run that is pushed again has it from its first push."""

    def in_chunks(self, chunk_size: int) -> "StagedWorkload":
        """Return the workload with another chunk size, reduced if such chunks might not fit a message."""
        return replace(self, chunk_size=min(chunk_size, most_that_fit(self.longest)))

    @property
    def record_name(self) -> str:
        """The name of its push record. A retry's unfinished push is resumed only by a retry of the same tasks."""
        if not self.parent:
            return self.digest
        # Failed tasks with equal instructions are different tasks.
        tasks = hashlib.sha256(f"{self.digest}{self.parent_tasks}".encode()).hexdigest()
        return f"{self.parent}.{tasks if self.parent_tasks else self.digest}"

    @property
    def count(self) -> int:
        """The number of its instructions."""
        return sum(self.counts.values())

    def instructions(self, pool: str) -> Iterator[str]:
        """Yield a pool's instructions in the file's order. Only one reader at a time."""
        stream = self.files[pool]
        stream.seek(0)
        for line in stream:
            yield line.decode().removesuffix("\n")

    def plan(self, run_id: str, started: float) -> Run:
        """Return the run that a push of the workload creates; ``started`` is in epoch seconds."""
        return Run.plan(
            run_id=run_id,
            counts=self.counts,
            chunk_size=self.chunk_size,
            digest=self.digest,
            started=started,
            parent=self.parent,
            priority=self.priority,
            archive_digest=self.archive_digest,
            archive_size=self.size,
            parent_tasks=self.parent_tasks,
        )


@contextmanager
def stage_workload(  # noqa: PLR0913  (everything that the check depends on)
    stream: IO[bytes],
    name: str,
    directory: Path,
    *,
    chunk_size: int = 1,
    handlers: tuple[str, ...] = (),
    parent: str = "",
    parent_numbers: Sequence[int] = (),
    template: Template | None = None,
    durations: Durations | None = None,
    on_instructions: Callable[[int], None] = lambda _count: None,
) -> Iterator[StagedWorkload]:
    """Check every line and write it to a file of its pool. The files are unnamed and vanish when the context ends.

    ``name`` is what errors call the workload, ``handlers`` are the first words of users' own handlers, ``parent`` is
    the run whose failures it retries, ``parent_numbers`` the number of the parent's task in each line. A ``template``
    expands lines; ``durations`` collects how long the tasks take. ``on_instructions`` is called from time to time with
    the number of instructions checked since the last call.

    Raises ``InvalidWorkload`` with the line number of each problem, or if there is no instruction.
    """
    if not 1 <= chunk_size <= MOST_TASKS:
        raise InvalidInput(f"--chunk {chunk_size}", f"a chunk holds 1 to {MOST_TASKS:,} tasks")
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        staging = _Staging(chunk_size, handlers, durations or Durations(), directory, files, on_instructions)
        staging.parent_numbers = parent_numbers
        for line in lines_in(stream, staging.comment):
            if template:
                staging.expand(line, template)
            else:
                staging.add(line)
        yield staging.finish(name, parent)


class _Staging:
    """A workload while it is read: checks each line, stages it, and collects the problems."""

    def __init__(
        self,
        chunk_size: int,
        handlers: tuple[str, ...],
        durations: Durations,
        directory: Path,
        files: ExitStack,
        on_instructions: Callable[[int], None],
    ) -> None:
        self._chunk_size = chunk_size
        self._handlers = handlers
        self._durations = durations
        self._directory = directory
        self._cleanup = files
        self._on_instructions = on_instructions
        self._digest = hashlib.sha256()
        self._counts: dict[str, int] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._open: dict[str, OpenChunk] = {}
        self._lines = 0
        self._size = 0
        self._longest = 0
        self._problems = Problems()
        self.parent_numbers: Sequence[int] = ()
        self._numbers_by_pool: dict[str, array[int]] = {}

    def expand(self, line: Line, template: Template) -> None:
        try:
            for expanded in template.expand(line):
                self.add(expanded)
        except InvalidInstruction as error:
            self._lines += 1
            self._problems.add(line.number, error)

    def comment(self, comment: Line) -> None:
        try:
            self._durations.comment(comment.data.decode(errors="replace"))
        except InvalidInstruction as error:
            self._problems.add(comment.number, error)

    def add(self, line: Line) -> None:
        self._lines += 1
        if self._lines % REPORTED_INSTRUCTIONS == 0:
            self._on_instructions(REPORTED_INSTRUCTIONS)
        try:
            instruction, pool = line.check(self._handlers)
        except InvalidInstruction as error:
            self._problems.add(line.number, error)
            return
        self._durations.instruction(instruction)
        data = instruction.encode() + b"\n"
        self._size += len(data)
        self._longest = max(self._longest, len(data))
        self._digest.update(data)
        self._file(pool.name).write(data)
        if self.parent_numbers:
            numbers = self._numbers_by_pool.setdefault(pool.name, array("Q"))
            numbers.append(self.parent_numbers[sum(self._counts.values())])
        self._counts[pool.name] = self._counts.get(pool.name, 0) + 1
        chunk = self._open.setdefault(pool.name, OpenChunk(line.number))
        chunk.add(instruction, len(data))
        if self._counts[pool.name] % self._chunk_size == 0:
            self._close_chunk(pool.name)

    def finish(self, name: str, parent: str) -> StagedWorkload:
        for pool in list(self._open):
            self._close_chunk(pool)
        if self._problems.count:
            raise InvalidWorkload(name, self._problems.text(self._lines))
        if not self._counts:
            raise InvalidWorkload(name, "it has no instructions", HOW_TO_GET_ONE)
        for stream in self._files.values():
            stream.flush()
        numbers = array("Q", chain.from_iterable(self._numbers_by_pool[pool] for pool in self._numbers_by_pool))
        return StagedWorkload(
            self._digest.hexdigest(),
            self._chunk_size,
            self._counts,
            self._files,
            self._size,
            self._longest,
            parent,
            archive_digest=self._archive_digest(),
            parent_numbers=numbers,
            parent_tasks=digest_of(numbers) if numbers else "",
        )

    def _archive_digest(self) -> str:
        if len(self._files) == 1:
            return self._digest.hexdigest()
        digest = hashlib.sha256()
        for stream in self._files.values():
            stream.seek(0)
            while piece := stream.read(_PIECE_BYTES):
                digest.update(piece)
        return digest.hexdigest()

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
            self._problems.add(chunk.line, error)
