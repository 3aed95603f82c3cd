"""Stranded: a run of which nothing is on a queue: its missing tasks are in dead letters, or their messages are lost."""

from collections.abc import Sequence
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput, Unavailable
from cloudkon.model import Run
from cloudkon.ports import Services

from ..dead_letters.dead_letters import DeadLetter, LetterFilter, list_dead_letters
from .run_completion import is_quiet
from .run_counts import RunCounts

MOST_LETTERS = 10_000
"""Dead letters that are looked at: with more of them in the way, waiting goes on."""


class RunStranded(InvalidInput):
    """All that is missing of a run has been dead letters for a minute, so no result of it will come by itself."""

    def __init__(self, run: Run, letters: Sequence[DeadLetter]) -> None:
        """Say how many tasks there are, why no worker took the first, and how to go on."""
        tasks = sum(len(letter.chunk) for letter in letters if letter.chunk)
        held = [
            f"{count:,} {noun}{'' if count == 1 else 's'}"
            for count, noun in ((tasks, "task"), (len(letters), "dead letter"))
        ]
        reason = f"no worker took what is left of it, {' in '.join(held)}"
        remedy = f"Mend the cause, then: python -m client dlq redrive --run {run.id}"
        super().__init__(f"run {run.id!r}", f"{reason}: {letters[0].reason}", remedy)

    def __reduce__(self) -> tuple[type[InvalidInput], tuple[str, str, str]]:
        """Cross from process to process as what it says."""
        return InvalidInput, (self.subject, self.reason, self.remedy)


def missing(run: Run, tasks: int) -> str:
    """What to say of tasks that are on no queue and no dead letters: their messages are lost, or yet to be sent."""
    return (
        f"on no queue, and nobody's work: {tasks:,} of the tasks of run {run.id}. "
        f"Unless its push goes on, send them again with: python -m client push --run {run.id}"
    )


async def nothing_queued(services: Services, run: Run, running: int) -> bool:
    """Whether nobody works on a run, nor has it on a queue. A failing service may hide something."""
    if running:
        return False
    try:
        depths = [await persist(services.queue(part.pool, run.priority).depth, BRIEF) for part in run.ranges]
    except Unavailable:
        return False
    return is_quiet(running, depths)


async def stranded(services: Services, counted: RunCounts) -> list[DeadLetter]:
    """The dead letters that hold all of a run's waiting tasks, or none if some of these are elsewhere."""
    run = counted.run
    depths = [await persist(services.dead_letters[part.pool].depth, BRIEF) for part in run.ranges]
    if all(depth.empty for depth in depths):
        return []
    choice = LetterFilter([part.pool for part in run.ranges], run.id)
    found = await persist(partial(list_dead_letters, services, choice, MOST_LETTERS), BRIEF)
    letters = {letter.chunk.key: letter for letter in found.letters if letter.chunk and not letter.done}
    held = sum(len(letter.chunk) for letter in letters.values() if letter.chunk)
    return list(letters.values()) if held >= counted.waiting else []
