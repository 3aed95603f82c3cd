"""Provides stand-ins for failing services, and short ways to write and read a fleet's state."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from client.push.staged_workload import StagedWorkload, stage_workload
from cloudkon.errors import AccessDenied, Unavailable
from cloudkon.memory import MemoryLedger, MemoryQueue
from cloudkon.model import Chunk, ChunkRecord, ChunkState, Outgoing, Progress, Result, Run, TaskState
from cloudkon.ports import Insert, QueueOutcome, Services, SummaryPage
from cloudkon.wire.message import decode_message


class BreakingQueue(MemoryQueue):
    """Accepts ``batches`` batches, then refuses all others."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches = batches

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        if self.batches <= 0:
            raise AccessDenied("the credentials have expired")
        self.batches -= 1
        return await super().send(messages)


class FlakyQueue(MemoryQueue):
    """Loses each batch, then the response to it, then accepts every second message, and then works."""

    def __init__(self) -> None:
        super().__init__()
        self.tries: Counter[str] = Counter()

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        last = messages[-1].body
        self.tries[last] += 1
        match self.tries[last]:
            case 1:
                raise Unavailable("connection refused")
            case 2:
                await super().send(messages)
                raise Unavailable("the response was lost")
            case 3:
                taken = messages[::2]
                await super().send(taken)
                return [QueueOutcome.DONE if one in taken else QueueOutcome.FAILED for one in messages]
            case _:
                return await super().send(messages)


class DeadQueue(MemoryQueue):
    """Refuses every batch as if the service were down."""

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        raise Unavailable(f"connection refused, {len(messages)} messages were not sent")


class RecreatedLedger(MemoryLedger):
    """Returns two of a run's records first, then none, as if it had been deleted and created again, then all."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = iter((2, 0))

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        page = await super().summaries(run, shard, first)
        return replace(page, summaries=page.summaries[: next(self._shown, None)])


def with_queue(services: Services, pool: str, queue: MemoryQueue) -> Services:
    return replace(services, queues={**services.queues, pool: queue})


@contextmanager
def stage_text(text: str, directory: Path, chunk_size: int = 1) -> Iterator[StagedWorkload]:
    with stage_workload(io.BytesIO(text.encode()), "workload", directory, chunk_size=chunk_size) as staged:
        yield staged


async def chunks_on(queue: object) -> list[Chunk]:
    """Receive all messages of a queue, decoded and in order; they stay hidden."""
    assert isinstance(queue, MemoryQueue)
    found: list[Chunk] = []
    while deliveries := await queue.receive(10, 0, 1000):
        found += [decode_message(delivery.body) for delivery in deliveries]
    return sorted(found, key=lambda chunk: chunk.key.number)


def succeeded(run: Run, numbers: Sequence[int], output: str = "") -> list[Result]:
    """Return results of the tasks of chunks ``numbers``, one second each, started one after the other."""
    return [
        Result(task.id, TaskState.SUCCEEDED, output=output, started=1000.0 + task.id.seq, seconds=1.0, worker="w")
        for chunk in _chunks(run)
        if chunk.key.number in numbers
        for task in chunk.tasks()
    ]


async def record_results(services: Services, run: Run, results: Sequence[Result]) -> None:
    """Write the chunks that these results complete or begin to the ledger, as a worker does."""
    by_seq = {result.task.seq: result for result in results}
    for chunk in _chunks(run):
        own = tuple(by_seq[task.id.seq] for task in chunk.tasks() if task.id.seq in by_seq)
        if not own:
            continue
        state = ChunkState.DONE if len(own) == len(chunk) else ChunkState.CLAIMED
        record = ChunkRecord(chunk.key, state, "owner", 1, 0, tasks=len(chunk), progress=Progress(results=own))
        await services.ledger.write([Insert(record)])


def _chunks(run: Run) -> Iterator[Chunk]:
    for part in run.ranges:
        for key, first, count in run.chunks(part.pool):
            yield Chunk(key, first, ("sleep 1",) * count)


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]
