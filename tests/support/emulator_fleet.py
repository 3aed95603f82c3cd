"""Pushes to a fleet on the emulator and reads its state, through the ports."""

import time
from collections import Counter
from functools import partial
from typing import Any

import trio

from cloudkon.aws import connect
from cloudkon.model import WORKER, Chunk, ChunkRecord, ChunkState, Delivery, Depth, Outgoing, Result, Run, new_run_id
from cloudkon.ports import BATCH, Services
from cloudkon.ports.batch import batched
from cloudkon.settings import Settings
from cloudkon.wire.message import encode_message
from cloudkon.wire.report import decode_report


class EmulatedFleet:
    """A fleet on the emulator. Each call runs trio on its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services: Services = connect(settings)
        self.queue = self.services.queues[WORKER.name]
        self.dead_letters = self.services.dead_letters[WORKER.name]

    def push(self, *instructions: str, chunk: int = 1, copies: int = 1, pool: str = WORKER.name) -> Run:
        run = Run.plan(
            run_id=new_run_id(),
            counts={pool: len(instructions)},
            chunk_size=chunk,
            digest="",
            started=time.time(),
        )
        bodies = [
            encode_message(Chunk(key, first, instructions[first : first + count]))
            for key, first, count in run.chunks(pool)
            for _ in range(copies)
        ]
        trio.run(self.services.ledger.create_run, run)
        self.send(*bodies, pool=pool)
        return run

    def send(self, *bodies: str, pool: str = WORKER.name) -> None:
        for some in batched([Outgoing(body) for body in bodies], BATCH):
            trio.run(self.services.queues[pool].send, some)

    def records(self, run: Run) -> list[ChunkRecord]:
        async def read() -> list[ChunkRecord]:
            return [record async for record in self.services.ledger.records(run)]

        return trio.run(read)

    def results(self, run: Run) -> dict[int, Result]:
        """Return the results of all chunks that are DONE, by task number."""
        done = [record for record in self.records(run) if record.state is ChunkState.DONE]
        return {result.task.seq: result for record in done for result in record.progress.results}

    def states(self, run: Run) -> Counter[str]:
        return Counter(str(result.state) for result in self.results(run).values())

    def finished(self, run: Run) -> bool:
        return len(self.results(run)) == run.count and self.depth().empty

    def depth(self) -> Depth:
        return trio.run(self.queue.depth)

    def cancel(self, run: Run) -> None:
        trio.run(self.services.ledger.cancel_run, run.id)

    def published(self, run: Run) -> list[Result]:
        """Return a run's results in the result queue, and empty the queue."""
        bodies = [delivery.body for delivery in self._take_all(self.services.results)]
        return [result for body in bodies for result in decode_report(body) if result.task.run == run.id]

    def rejected(self) -> list[str]:
        """Return the bodies in the dead-letter queue, and empty the queue."""
        return [delivery.body for delivery in self._take_all(self.dead_letters)]

    def _take_all(self, queue: Any) -> list[Delivery]:  # noqa: ANN401  (a port)
        taken: list[Delivery] = []
        while deliveries := trio.run(partial(queue.receive, BATCH, 0, 60)):
            taken += deliveries
            trio.run(queue.delete, deliveries)
        return taken
