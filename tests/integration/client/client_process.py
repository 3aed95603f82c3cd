"""Runs the client's commands as processes, and does a worker's part on their fleet."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloudkon.aws import connect
from cloudkon.model import Chunk, ChunkRecord, ChunkState, Progress, Result, TaskState
from cloudkon.ports import Insert, Ledger, Queue, Services
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.settings import Settings
from cloudkon.wire.message import decode_message

ROOT = Path(__file__).parents[3]
DEADLINE = 180
"""Seconds that one step may take on a machine that is busy with other tests."""


@dataclass(frozen=True, slots=True)
class Client:
    """One user's client: a working folder and a fleet."""

    folder: Path
    settings: Settings

    @property
    def services(self) -> Services:
        return connect(self.settings)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        plain = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "CLOUDKON_"))}
        return subprocess.Popen(
            [sys.executable, "-m", "client", *arguments],
            cwd=self.folder,
            env=plain | {"PYTHONPATH": str(ROOT)} | self.settings.to_environment() | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; return standard output, or standard error if ``code`` is 2."""
        with self.start(*arguments) as process:
            stdout, stderr = process.communicate(timeout=DEADLINE)
        assert process.returncode == code, stderr
        return stderr if code == 2 else stdout

    def write_workload(self, count: int) -> None:
        text = "".join(f"sleep {number % 100}\n" for number in range(count))
        (self.folder / "workload.txt").write_text(text)


async def receive_all(queue: Queue) -> list[Chunk]:
    """Receive and delete all messages of a queue; return the chunks in the order of their numbers."""
    chunks: list[Chunk] = []
    while deliveries := await queue.receive(10, 1, 60):
        chunks += [decode_message(delivery.body) for delivery in deliveries]
        await queue.delete(deliveries)
    return sorted(chunks, key=lambda chunk: chunk.key.number)


async def complete_chunks(ledger: Ledger, chunks: list[Chunk], output: Callable[[int], str] = str) -> list[Result]:
    """Write the results of all tasks of the chunks to the ledger, as a worker does at the end."""
    results: list[Result] = []
    for begin in range(0, len(chunks), STATEMENTS):
        writes = []
        for chunk in chunks[begin : begin + STATEMENTS]:
            own = tuple(
                Result(task.id, TaskState.SUCCEEDED, output(task.id.seq), started=1e9 + task.id.seq, seconds=1.0)
                for task in chunk.tasks()
            )
            results += own
            done = ChunkRecord(chunk.key, ChunkState.DONE, "owner", 1, 0, len(chunk), Progress(results=own), int(2e9))
            writes.append(Insert(done))
        await ledger.write(writes)
    return results
