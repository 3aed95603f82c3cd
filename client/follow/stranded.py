"""Finds the dead letters that hold all of a run's missing tasks, and words what a stranded run needs."""

from collections.abc import Sequence
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput
from cloudkon.model import Run
from cloudkon.ports import Services
from cloudkon.programs import command

from ..dead_letters.dead_letters import DeadLetter, LetterFilter, list_dead_letters
from .run_counts import RunCounts

MOST_LETTERS = 10_000
"""Dead letters that are read: if the queue holds more, waiting continues."""


class RunStranded(InvalidInput):
    """All missing tasks of a run have been in dead-letter queues for a minute: no result will come by itself."""

    def __init__(self, run: Run, letters: Sequence[DeadLetter]) -> None:
        """Name the number of tasks, the first dead letter's reason, and the command that sends them again."""
        tasks = sum(len(letter.chunk) for letter in letters if letter.chunk)
        counts = [
            f"{count:,} {noun}{'' if count == 1 else 's'}"
            for count, noun in ((tasks, "task"), (len(letters), "dead letter"))
        ]
        reason = f"no worker could take the rest of it, {' in '.join(counts)}: {letters[0].reason}"
        super().__init__(
            f"run {run.id!r}", reason, f"Fix the cause, then run: {command(f'client dlq redrive --run {run.id}')}"
        )

    def __reduce__(self) -> tuple[type[InvalidInput], tuple[str, str, str]]:
        """Pickle the texts: another process gets an ``InvalidInput`` with the same message."""
        return InvalidInput, (self.subject, self.reason, self.remedy)


def missing_text(run: Run, tasks: int) -> str:
    """What to report of tasks that are on no queue and in no dead letter: their messages are lost, or not sent yet."""
    subject = f"1 task of run {run.id} is" if tasks == 1 else f"{tasks:,} tasks of run {run.id} are"
    return (
        f"{subject} neither queued nor running. "
        f"Unless its push is still going on, send them again with: {command(f'client push --run {run.id}')}"
    )


async def stranded_letters(services: Services, counts: RunCounts) -> list[DeadLetter]:
    """Return the dead letters that hold all of a run's waiting tasks; none if some of these tasks are elsewhere."""
    run = counts.run
    depths = [await persist(services.dead_letters[part.pool].depth, BRIEF) for part in run.ranges]
    if all(depth.empty for depth in depths):
        return []
    choice = LetterFilter([part.pool for part in run.ranges], run.id)
    found = await persist(partial(list_dead_letters, services, choice, MOST_LETTERS), BRIEF)
    letters = {
        letter.chunk.key: letter
        for letter in found.letters
        # A letter that is none of the run's chunks holds none of its tasks.
        if letter.chunk and not letter.done and not run.misfit(letter.chunk.key, letter.chunk.first, len(letter.chunk))
    }
    held = sum(len(letter.chunk) for letter in letters.values() if letter.chunk)
    return list(letters.values()) if held >= counts.waiting else []
