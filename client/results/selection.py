"""Selects results of a run by state, instruction, worker and seconds."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

import trio

from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Services

from ..records.archive import Instructions, kept_instructions
from ..records.run_records import ItemFaults
from .results import results


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions that a result must meet.

    Empty ``states`` match any state. ``instruction`` and ``worker`` are patterns with ``*``, ``?`` and ``[…]`` that
    must match the whole text; an empty pattern matches any text. ``at_least`` and ``at_most`` are seconds of the last
    attempt.
    """

    states: Collection[TaskState] = ()
    instruction: str = ""
    worker: str = ""
    at_least: float = 0.0
    at_most: float = float("inf")

    def admits(self, result: Result) -> bool:
        """Whether the result meets the conditions, apart from ``instruction``."""
        return (
            (not self.states or result.state in self.states)
            and self.at_least <= result.seconds <= self.at_most
            and (not self.worker or fnmatchcase(result.worker, self.worker))
        )


async def selected(
    services: Services, run: Run, selection: Selection, faults: ItemFaults | None = None
) -> AsyncIterator[Result]:
    """Yield the selected results, in the ledger's order, a page at a time in memory.

    Items of the ledger that can't be right are added to ``faults``.

    Raises ``InvalidInput`` if the selection has an instruction and the run's instructions were not kept.
    """
    tasks = await _tasks(services, run, selection.instruction) if selection.instruction else None
    async for result in results(services.ledger, run, faults):
        if selection.admits(result) and (tasks is None or tasks[result.task.seq]):
            yield result


async def _tasks(services: Services, run: Run, pattern: str) -> bytearray:
    """Return a byte a task: 1 if its instruction matches the pattern."""
    async with kept_instructions(services.store, run) as instructions:
        return await trio.to_thread.run_sync(_matches, instructions, run.count, pattern)


def _matches(instructions: Instructions, count: int, pattern: str) -> bytearray:
    found = bytearray(count)
    for number, instruction in enumerate(instructions):
        if fnmatchcase(instruction, pattern):
            found[number] = 1
    return found
