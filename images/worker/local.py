"""Runs a workload in one process: the whole pipeline, with queues and ledger in memory, without a server."""

import time
from collections.abc import Mapping
from pathlib import Path

import trio

from cloudkon.errors import InvalidInput, InvalidWorkload
from cloudkon.instructions.workload_lines import lines_in
from cloudkon.log import Log
from cloudkon.memory import memory_services
from cloudkon.model import WORKER, Chunk, Outgoing, Result, Run
from cloudkon.ports import BATCH, Queue, Services
from cloudkon.ports.batch import batched
from cloudkon.settings import Settings
from cloudkon.wire.message import encode_message
from cloudkon.wire.report import decode_report

from .execution.scratch import open_scratch
from .handlers import Handler
from .pipeline.worker import Worker
from .summary import Summary

RUN = "local"
MOST_TASKS = 50
"""Most tasks of a chunk. Most of the pipeline's work is per chunk, and in one process large chunks do no harm."""
_MOST_SHOWN = 20


def read_workload(path: Path, handlers: Mapping[str, Handler]) -> list[str]:
    """Return the file's instructions.

    Raises ``InvalidWorkload`` with the numbers of the lines that can't be run.
    """
    try:
        with path.open("rb") as stream:
            lines = list(lines_in(stream))
    except OSError as error:
        raise InvalidWorkload(str(path), f"can't be read: {error.strerror}", "Name a workload file") from None
    problems, instructions = [], []
    for line in lines:
        try:
            instruction, pool = line.check(tuple(handlers))
        except InvalidInput as error:
            problems.append(f"line {line.number}: {error}")
            continue
        if pool is WORKER:
            instructions.append(instruction)
        else:
            problems.append(f"line {line.number}: --local doesn't run instructions of the pool {pool.name}")
    if problems:
        shown = [
            *problems[:_MOST_SHOWN],
            *([f"and {len(problems) - _MOST_SHOWN:,} more"] * (len(problems) > _MOST_SHOWN)),
        ]
        raise InvalidWorkload(str(path), "\n  ".join([f"{len(problems):,} lines can't be run", *shown]))
    if not instructions:
        raise InvalidWorkload(str(path), "it contains no instructions", "Write one a line, such as: sleep 10")
    return instructions


def run_workload(instructions: list[str], handlers: Mapping[str, Handler], settings: Settings, log: Log) -> Summary:
    """Run instructions on ``settings.slots`` slots and return the summary."""
    results, seconds = run_instructions(instructions, handlers, settings, log, memory_services())
    return Summary.of(((instructions[seq], result) for seq, result in results.items()), seconds, settings.slots)


def run_instructions(
    instructions: list[str], handlers: Mapping[str, Handler], settings: Settings, log: Log, services: Services
) -> tuple[dict[int, Result], float]:
    """Run instructions on ``services`` in memory; return each task's result by its number, and the seconds for all.

    Each instruction's first word must be in ``handlers``: without a handler it gets no result, and this waits forever.
    """
    with open_scratch() as scratch:
        try:
            # Ctrl-C must end the program. Raised inside an async handler, it would only fail the handler's task.
            return trio.run(
                _run,
                instructions,
                handlers,
                settings,
                log,
                services,
                scratch,
                restrict_keyboard_interrupt_to_checkpoints=True,
            )
        except BaseExceptionGroup as group:
            if group.subgroup(KeyboardInterrupt):
                # Each trio nursery wraps it in a group; the command line expects the bare exception.
                raise KeyboardInterrupt from None
            raise


async def _run(
    instructions: list[str],
    handlers: Mapping[str, Handler],
    settings: Settings,
    log: Log,
    services: Services,
    scratch: Path,
) -> tuple[dict[int, Result], float]:
    await _push(instructions, services, settings.slots)
    worker = Worker(settings, WORKER, services, handlers, log, scratch)
    begun = time.monotonic()
    results: dict[int, Result] = {}
    seconds = 0.0

    async def work() -> None:
        await worker.run()
        # Nobody stops this worker, so it has failed.
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        results = await _collect(services.results, len(instructions))
        seconds = time.monotonic() - begun
        # Not drained: no other worker needs the messages, and draining would wait for the poll under way.
        nursery.cancel_scope.cancel()
    if worker.failure:
        raise worker.failure
    return results, seconds


async def _push(instructions: list[str], services: Services, slots: int) -> None:
    chunk_size = max(1, min(MOST_TASKS, len(instructions) // (4 * slots)))
    run = Run.plan(
        run_id=RUN, counts={WORKER.name: len(instructions)}, chunk_size=chunk_size, digest="", started=time.time()
    )
    await services.ledger.create_run(run)
    messages = [
        Outgoing(encode_message(Chunk(key, first, tuple(instructions[first : first + count]))))
        for key, first, count in run.chunks(WORKER.name)
    ]
    for batch in batched(messages, BATCH):
        await services.queues[WORKER.name].send(batch)


async def _collect(queue: Queue, count: int) -> dict[int, Result]:
    """Return ``count`` tasks' results, by their numbers; wait until all have come."""
    results: dict[int, Result] = {}
    while len(results) < count:
        deliveries = await queue.receive(BATCH, 20.0, 60.0)
        for delivery in deliveries:
            results.update((result.task.seq, result) for result in decode_report(delivery.body))
        await queue.delete(deliveries)
    return results
