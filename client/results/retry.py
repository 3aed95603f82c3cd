"""Selects the tasks of a run to retry, and writes their instructions as a workload."""

from array import array
from collections.abc import Callable, Sequence
from typing import IO

from cloudkon.errors import InvalidInput
from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Services
from cloudkon.programs import command

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


async def write_chosen(services: Services, run: Run, choice: Choice, workload: IO[bytes]) -> Sequence[int]:
    """Write the instructions of the chosen tasks as a workload, and return these tasks' numbers, line by line.

    Raises ``InvalidInput`` if none was chosen, or if the run's instructions were not kept.
    """
    # A byte a task: a million tasks take a megabyte.
    chosen = bytearray(run.count)
    async for result in results(services.ledger, run):
        if choice(result):
            chosen[result.task.seq] = 1
    if not any(chosen):
        raise InvalidInput(f"run {run.id!r}", "it has no task to retry", f"See: {command(f'client check {run.id}')}")
    async with kept_instructions(services.store, run) as instructions:
        for number, instruction in enumerate(instructions):
            if chosen[number]:
                workload.write(instruction.encode() + b"\n")
    return array("Q", (number for number, is_chosen in enumerate(chosen) if is_chosen))
