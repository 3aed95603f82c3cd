"""Retry: which of a run's tasks to run again, and their instructions as a workload of its own."""

from collections.abc import Callable
from typing import IO

from cloudkon.errors import InvalidInput
from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Services

from ..records.archive import kept_instructions
from .failures import WORKER_LOST
from .results import results

Choice = Callable[[Result], bool]


def failed(result: Result) -> bool:
    """Whether the task failed."""
    return result.state is TaskState.FAILED


def lost(result: Result) -> bool:
    """Whether the task failed because its workers died while it ran."""
    return failed(result) and WORKER_LOST.match(result.error) is not None


async def write_chosen(services: Services, run: Run, choice: Choice, workload: IO[bytes]) -> int:
    """Write the instructions of the chosen tasks as a workload; give how many there are.

    Raises ``InvalidInput`` if there is none, or if the run's instructions were not kept.
    """
    # A byte a task, so that a million failures take a megabyte.
    chosen = bytearray(run.count)
    async for result in results(services.ledger, run):
        if choice(result):
            chosen[result.task.seq] = 1
    count = chosen.count(1)
    if not count:
        raise InvalidInput(f"run {run.id!r}", "none of its tasks is to be retried", f"See: {_check(run)}")
    async with kept_instructions(services.store, run) as instructions:
        for number, instruction in enumerate(instructions):
            if chosen[number]:
                workload.write(instruction.encode() + b"\n")
    return count


def _check(run: Run) -> str:
    return f"python -m client check {run.id}"
