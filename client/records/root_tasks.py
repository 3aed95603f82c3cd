"""Follows a chain of retries to the run at its beginning, the root.

A task that was retried, and retried again, is one task of the root. ``root_tasks`` says which.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput
from cloudkon.model import Run
from cloudkon.ports import Services

from .parent_tasks import parent_tasks


@dataclass(frozen=True, slots=True)
class RootTasks:
    """Which task of the root each task of a run is.

    ``numbers`` has the root's task number for each task of the run. ``unknown_parent`` is the id of the root's parent
    if the root is a retry that does not say which tasks it retries, as retries of earlier versions; else it is empty.
    """

    root: str
    numbers: Sequence[int]
    unknown_parent: str = ""


async def root_tasks(services: Services, run: Run) -> RootTasks:
    """Map the tasks of a run to those of its root. A run that is no retry is its own root.

    Raises ``InvalidInput`` for items or lists that can't be right, and what the services raise.
    """
    numbers: Sequence[int] = range(run.count)
    current, seen = run, {run.id}
    while current.parent:
        if current.parent in seen:
            raise InvalidInput(f"run {run.id!r}", f"its parents form a circle at run {current.parent!r}")
        seen.add(current.parent)
        listed = await parent_tasks(services.store, current)
        if listed is None:
            return RootTasks(current.id, numbers, current.parent)
        numbers = array("Q", (listed[number] for number in numbers))
        parent = await persist(partial(services.ledger.read_run, current.parent), BRIEF)
        if parent is None:
            # Its item has expired, and with it what it may have retried itself.
            return RootTasks(current.parent, numbers)
        if max(listed) >= parent.count:
            raise InvalidInput(
                f"run {current.id!r}", f"it retries task {max(listed)} of run {parent.id!r}, which has none"
            )
        current = parent
    return RootTasks(current.id, numbers)
