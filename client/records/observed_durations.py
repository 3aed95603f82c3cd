"""Measures how long tasks took in an earlier run, by the first words of their instructions."""

from collections.abc import Collection

import trio

from cloudkon.instructions import parse
from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Services

from .archive import kept_instructions
from .run_records import ItemFaults, read_records

OBSERVED_TASKS = 1000
"""Results that are read."""


async def observed_durations(services: Services, run: Run, words: Collection[str]) -> dict[str, float]:
    """Return the mean seconds of tasks with these words in an earlier run, from a sample of its results.

    Raises ``InvalidInput`` if the store does not have the run's instructions, and what the services raise.
    """
    sample: list[Result] = []
    async for record in read_records(services.ledger, run, ItemFaults()):
        sample += [result for result in record.progress.results if result.state is TaskState.SUCCEEDED]
        if len(sample) >= OBSERVED_TASKS:
            break
    async with kept_instructions(services.store, run) as instructions:
        texts = await trio.to_thread.run_sync(instructions.some, [result.task.seq for result in sample])
    seconds: dict[str, list[float]] = {}
    for result in sample:
        word = parse(texts[result.task.seq]).word
        if word in words:
            seconds.setdefault(word, []).append(result.seconds)
    return {word: sum(values) / len(values) for word, values in seconds.items()}
