"""Submission: instructions from a program become a run, by the same ways as a pushed file."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import IO
from weakref import WeakValueDictionary

from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.model import Priority, Run
from cloudkon.ports import Services
from cloudkon.settings import Settings

from ..push.capacity_check import crowding, on_embedded_emulator
from ..push.chunking import AUTO, auto_chunk_size, observed_in_last_run
from ..push.durations import Durations
from ..push.push import PushEvents, push
from ..push.staged_workload import StagedWorkload, stage_workload
from ..push.waking import wake_for
from ..records.pushes import Pushes
from .fleet_connection import FleetConnection

LOG = logging.getLogger("cloudkon")
_TAKING = Lock()
_TURNS: WeakValueDictionary[tuple[Pushes, str, int], Lock] = WeakValueDictionary()
"""Of the workloads that are being sent; each is forgotten when nobody holds it or waits for it."""
GO_ON = "Submit the same instructions again to go on where it stopped"


def write_instructions(instructions: Iterable[str], workload: IO[bytes]) -> None:
    """Write instructions as a workload. Raises ``InvalidInstruction`` for what would not be one line with one on it."""
    if isinstance(instructions, str):
        raise InvalidInput("instructions", "this is one string", "Give a list of them")
    for number, instruction in enumerate(instructions):
        if not isinstance(instruction, str):
            raise InvalidInstruction(f"instruction {number} {instruction!r:.60}", "it is no string")
        text = instruction.strip()
        if not text or text.startswith("#") or "\n" in text:
            reason = "it is empty, a comment, or of several lines"
            raise InvalidInstruction(f"instruction {number} {instruction!r:.60}", reason, "Give one line for each task")
        workload.write(text.encode() + b"\n")
    workload.seek(0)


def submit(
    link: FleetConnection,
    workload: IO[bytes],
    name: str,
    *,
    chunk: int | str,
    priority: str = Priority.NORMAL,
    duration: float | None = None,
    parent: str = "",
) -> Run:
    """Push a workload as a new run, or go on with its push that broke off.

    ``name`` is what errors call it, ``chunk`` the tasks a message or ``"auto"``, ``duration`` what a task takes in
    seconds where its word doesn't say, ``parent`` the run whose failures it retries. Raises what ``push`` raises, and
    ``InvalidWorkload`` with all that is wrong before anything is sent.
    """
    if not isinstance(chunk, int) and chunk != AUTO:
        raise InvalidInput(f"chunk {chunk!r:.20}", "it is no number of tasks", 'Give a number, or "auto"')
    if priority not in list(Priority):
        raise InvalidInput(f"priority {priority!r:.20}", "there is no such one", "Known: " + ", ".join(Priority))
    durations = Durations(duration)
    with stage_workload(
        workload,
        name,
        link.settings.state_dir,
        chunk_size=1 if isinstance(chunk, str) else chunk,
        handlers=link.settings.handlers,
        parent=parent,
        durations=durations,
    ) as checked:
        spool = replace(checked, priority=Priority(priority))
        if chunk == AUTO:

            def observe() -> dict[str, float]:
                return link.call(lambda services: observed_in_last_run(services, link.pushes, durations), GO_ON)

            chosen = spool.in_chunks(auto_chunk_size(spool, durations, link.pushes, observe))
        else:
            chosen = spool

        async def work(services: Services) -> Run:
            events = PushEvents(began=partial(_begin, link.settings, services), warn=LOG.warning)
            return (await push(services, chosen, link.pushes, events)).run

        with _turn(link.pushes, chosen):
            return link.call(work, GO_ON)


def _turn(pushes: Pushes, spool: StagedWorkload) -> Lock:
    """Held while a workload is sent: threads of this program that push the same one take turns, with a run each."""
    with _TAKING:
        return _TURNS.setdefault((pushes, spool.record_name, spool.chunk_size), Lock())


async def _begin(settings: Settings, services: Services, run: Run, _sent: int | None) -> None:
    if on_embedded_emulator(settings) and (warning := await crowding(services, run)):
        LOG.warning(warning)
    for line in await wake_for(services, run):
        LOG.info(line)
