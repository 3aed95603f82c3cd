"""Submits instructions of a Python program as a run, with the same checks as a pushed file."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Lock
from typing import IO
from weakref import WeakValueDictionary

from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.model import Priority, Run
from cloudkon.ports import Services

from ..push.chunking import AUTO, auto_chunk_size, observed_in_last_run
from ..push.durations import Durations
from ..push.staged_workload import StagedWorkload, stage_workload
from ..push.submit import PushEvents, submit
from ..records.pushes import Pushes
from .fleet_connection import FleetConnection

LOG = logging.getLogger("cloudkon")
_LOCKS_LOCK = Lock()
_LOCKS: WeakValueDictionary[tuple[Pushes, str, int], Lock] = WeakValueDictionary()
"""One lock per workload that is being sent; it is forgotten when no thread holds it or waits for it."""
HOW_TO_RESUME = "Submit the same instructions again to resume"


def write_instructions(instructions: Iterable[str], workload: IO[bytes]) -> None:
    """Write instructions as a workload. Raises ``InvalidInstruction`` unless each is exactly one line."""
    if isinstance(instructions, str):
        raise InvalidInput("instructions", "this is one string", "Give a list of strings")
    for number, instruction in enumerate(instructions):
        if not isinstance(instruction, str):
            raise InvalidInstruction(f"instruction {number} {instruction!r:.60}", "it is not a string")
        text = instruction.strip()
        if not text or text.startswith("#") or "\n" in text:
            reason = "it is empty, a comment, or more than one line"
            raise InvalidInstruction(f"instruction {number} {instruction!r:.60}", reason, "Give one line for each task")
        workload.write(text.encode() + b"\n")
    workload.seek(0)


def submit_workload(
    connection: FleetConnection,
    workload: IO[bytes],
    name: str,
    *,
    chunk: int | str,
    priority: str = Priority.NORMAL,
    duration: float | None = None,
    parent: str = "",
    parent_numbers: Sequence[int] = (),
) -> Run:
    """Push a workload as a new run, or resume its unfinished push.

    ``name`` is what errors call the workload, ``chunk`` the tasks per message or ``"auto"``, ``duration`` how long a
    task takes in seconds if its word doesn't imply it, ``parent`` the run whose failures it retries,
    ``parent_numbers`` the number of the parent's task in each line. Raises what ``submit`` raises, and
    ``InvalidWorkload`` with all problems before anything is sent.
    """
    if not isinstance(chunk, int) and chunk != AUTO:
        raise InvalidInput(f"chunk {chunk!r:.20}", "it is not a number of tasks", 'Give a number, or "auto"')
    if priority not in list(Priority):
        raise InvalidInput(f"priority {priority!r:.20}", "unknown priority", "Known: " + ", ".join(Priority))
    durations = Durations(duration)
    with stage_workload(
        workload,
        name,
        connection.settings.state_dir,
        chunk_size=1 if isinstance(chunk, str) else chunk,
        handlers=connection.settings.handlers,
        parent=parent,
        parent_numbers=parent_numbers,
        durations=durations,
    ) as checked:
        prioritized = replace(checked, priority=Priority(priority))
        staged = (
            prioritized.in_chunks(_auto_chunk_size(connection, prioritized, durations))
            if chunk == AUTO
            else prioritized
        )

        async def work(services: Services) -> Run:
            events = PushEvents(on_warning=LOG.warning, on_woken=LOG.info)
            return (await submit(services, connection.settings, staged, connection.pushes, events)).run

        with _workload_lock(connection.pushes, staged):
            return connection.call(work, HOW_TO_RESUME)


def _auto_chunk_size(connection: FleetConnection, staged: StagedWorkload, durations: Durations) -> int:
    def observe() -> dict[str, float]:
        return connection.call(
            lambda services: observed_in_last_run(services, connection.pushes, durations), HOW_TO_RESUME
        )

    return auto_chunk_size(staged, durations, connection.pushes, observe)


def _workload_lock(pushes: Pushes, staged: StagedWorkload) -> Lock:
    """The lock held while a workload is sent: threads that push the same one do so one by one, with a run each."""
    with _LOCKS_LOCK:
        return _LOCKS.setdefault((pushes, staged.record_name, staged.chunk_size), Lock())
