"""Observed: how long tasks took in an earlier run, by the first words of their instructions."""

from collections.abc import Collection
from contextlib import aclosing

import trio

from cloudkon.instructions import parse
from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Services

from .archive import kept_instructions

OBSERVED_TASKS = 1000
"""Results that are looked at."""


async def observed_durations(services: Services, run: Run, words: Collection[str]) -> dict[str, float]:
    """What tasks of these words took on average in an earlier run, in seconds; some of its results are looked at.

    Raises ``InvalidInput`` if the run's instructions were not kept, and what the services raise.
    """
    sample: list[Result] = []
    async with aclosing(services.ledger.records(run)) as records:
        async for record in records:
            sample += [one for one in record.progress.results if one.state is TaskState.SUCCEEDED]
            if len(sample) >= OBSERVED_TASKS:
                break
    async with kept_instructions(services.store, run) as instructions:
        texts = await trio.to_thread.run_sync(instructions.some, [one.task.seq for one in sample])
    seconds: dict[str, list[float]] = {}
    for result in sample:
        word = parse(texts[result.task.seq]).word
        if word in words:
            seconds.setdefault(word, []).append(result.seconds)
    return {word: sum(some) / len(some) for word, some in seconds.items()}
