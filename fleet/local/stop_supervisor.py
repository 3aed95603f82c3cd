"""Stops the local fleet, whatever state it is in.

What runs is decided by locks, processes and answers. Files only say where to look: they may be old, damaged, or written
where other processes are visible than here.
"""

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import Final

import trio

from cloudkon.aws.emulator_save import save_emulator
from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.programs import command
from cloudkon.settings import Settings

from ..files import translate_os_errors
from ..target import Report
from .actual_state import ActualState, ProcessState
from .emulator_process import GRACE_SECONDS, NAME, url
from .identity import OwnRecords, marks
from .local_processes import worker_grace
from .processes.marks import is_shim, mark_of
from .processes.process import Process, kill, marked, session_members, stop, stop_shims, wait_until_gone
from .processes.process_table import PROC
from .state_dir import Save, StateDir

MARGIN_SECONDS: Final = 5.0
"""Added to the graces of the processes that the supervisor waits for."""
APPEAR_SECONDS: Final = 3.0
"""How long a supervisor that has just taken its lock may take to be found."""
ANSWER_SECONDS: Final = 10.0
"""How long an emulator that should have ended may take to show that it has not."""
LOOK_SECONDS: Final = 0.5
ELSEWHERE: Final = "it was started in another container or PID namespace, on another machine, or by another user"


async def check_saving(settings: Settings, state_dir: StateDir) -> None:
    """Save the emulator's state before anything is stopped. Raises ``CloudKonError`` if that fails (a full disk).

    Does nothing where no emulator runs or answers that could save: then the last saved state is all there is.
    """
    actual = OwnRecords.read(state_dir).actual
    if not _running_emulators(state_dir, actual):
        return
    try:
        await save_emulator(_emulator_settings(settings, state_dir, actual))
    except Unavailable:
        return
    except CloudKonError as error:
        raise CloudKonError(
            f"{error}. Nothing was stopped or deleted. Free some space and try again, or give the data up with: "
            f"{command('fleet down --delete-data')}"
        ) from error


async def stop_everything(settings: Settings, state_dir: StateDir, report: Report) -> str:
    """Stop the supervisor, which stops all its processes; then stop what is left. Safe to repeat.

    Returns what was not saved, for a person; empty if everything was. Raises ``CloudKonError`` if the fleet's processes
    can't be seen or ended from here. Then nothing may be deleted or started.
    """
    actual, before = OwnRecords.read(state_dir).actual, state_dir.last_save()
    supervisor = await _find_supervisor(state_dir)
    had_fleet, had_emulator = bool(actual or supervisor), bool(_running_emulators(state_dir, actual))
    if supervisor:
        count = sum(member.pid > 0 for member in actual.workers) if actual else 0
        report(f"stopping the emulator and {count} workers" if count else "stopping the emulator")
        supervisor.terminate()
        await wait_until_gone([supervisor], worker_grace(settings) + GRACE_SECONDS + MARGIN_SECONDS)
        await kill([supervisor])
    await _stop_leftovers(settings, state_dir, report)
    await _check_ended(_emulator_settings(settings, state_dir, actual), state_dir)
    with translate_os_errors(state_dir.path):
        state_dir.write_actual_state(None)
    return _unsaved(state_dir.last_save(), before if had_emulator else None) if had_fleet else ""


def record_stop(state_dir: StateDir) -> None:
    """Record that no workers are desired, and that there is no endpoint."""
    try:
        state_dir.change_desired_state(lambda before: before.without_workers())
        state_dir.write_endpoint(state_dir.port())
    except (CloudKonError, OSError) as error:
        raise CloudKonError(
            f"everything was stopped, but this can't be recorded: {error}. Then run: {command('fleet down')}"
        ) from error


async def _find_supervisor(state_dir: StateDir) -> Process | None:
    """Return the supervisor that holds the lock; ``None`` if the lock is free.

    Raises ``CloudKonError`` if the lock is held, and its holder can't be seen.
    """
    _check_process_table()
    with trio.move_on_after(APPEAR_SECONDS):
        while state_dir.supervisor_lock.is_held():
            actual = OwnRecords.read(state_dir).actual
            if actual and actual.supervisor.is_alive():
                return actual.supervisor
            if found := marked(marks("supervisor", state_dir.path)):
                return found[0]
            await trio.sleep(LOOK_SECONDS)
        return None
    raise CloudKonError(
        f"the fleet runs (its supervisor holds {state_dir.path}/supervisor.lock), but its processes can't be seen from "
        f"here: {ELSEWHERE}. Nothing was stopped or deleted. Run this command where up was run"
    )


def _check_process_table() -> None:
    """Raise ``CloudKonError`` if ``/proc`` numbers processes otherwise than signals do: they would hit other ones."""
    own = ""
    with suppress(OSError):  # a system without /proc
        own = (PROC / "self").readlink().name
    if own not in ("", str(os.getpid())):
        raise CloudKonError(
            f"{PROC} shows the processes of another PID namespace than this command's. Nothing was stopped or deleted. "
            "Run it where up was run, or mount a /proc of its own (unshare --mount-proc)"
        )


async def _stop_leftovers(settings: Settings, state_dir: StateDir, report: Report) -> None:
    """Stop what a killed supervisor left running: workers, then the emulator, then all processes with our mark."""
    actual = OwnRecords.read(state_dir).actual
    if actual:
        if _is_ours(actual, actual.supervisor, state_dir):
            await kill([actual.supervisor])
        workers = [member for member in actual.workers if _runs(actual, member, state_dir)]
        emulators = [member for member in [actual.emulator] if _runs(actual, member, state_dir)]
        if workers or emulators:
            report(f"stopping {len(workers) + len(emulators)} processes that a killed supervisor left running")
        await _stop(workers, worker_grace(settings))
        await _stop(emulators, GRACE_SECONDS)
    # The emulator first, if no record names it: it saves. Then the shims, because they end what others can't find.
    await stop_shims([one for one in marked(marks(NAME, state_dir.path)) if is_shim(one.pid)], GRACE_SECONDS)
    ours = marks("", state_dir.path)
    await stop_shims([process for process in marked(ours) if is_shim(process.pid)], 0.0)
    await stop(marked(ours), 0.0)


async def _check_ended(emulator_settings: Settings, state_dir: StateDir) -> None:
    """Raise ``CloudKonError`` if a process is left that works with the data."""
    if state_dir.supervisor_lock.is_held():
        reason = f"the supervisor can't be ended: it still holds {state_dir.path}/supervisor.lock"
    elif left := marked(marks(NAME, state_dir.path)):
        reason = f"the emulator (process {left[0].pid}) can't be ended"
    elif await _answers(emulator_settings):
        reason = (
            f"the emulator of this fleet still answers at {emulator_settings.endpoint_url}, but its process can't be "
            f"seen from here: {ELSEWHERE}"
        )
    else:
        return
    raise CloudKonError(f"{reason}. No data was deleted, and nothing was started. Run this command where up was run")


async def _answers(emulator_settings: Settings) -> bool:
    """Whether an emulator answers that has this fleet's secret."""
    with trio.move_on_after(ANSWER_SECONDS):
        try:
            await save_emulator(emulator_settings)
        except Unavailable:
            return False
        except CloudKonError:
            return True
        return True
    return False


def _emulator_settings(settings: Settings, state_dir: StateDir, actual: ActualState | None) -> Settings:
    endpoint = actual.endpoint_url if actual else url(state_dir.port())
    return replace(settings, endpoint_url=endpoint, state_dir=state_dir.path)


def _unsaved(last: Save | None, before: Save | None) -> str:
    """Say what was lost, if the last save is not from the emulator's end, or is the one ``before`` that emulator."""
    if last is None or (last.is_final and last != before):
        return ""
    saved = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last.time))
    return (
        "the emulator did not save messages and ledger at its end: it was killed, or the disk is full. "
        f"The state of {saved} is kept, and the next up continues from it; what happened later is lost"
    )


def _running_emulators(state_dir: StateDir, actual: ActualState | None) -> list[Process]:
    recorded = [one for one in (actual.emulator.shim, actual.emulator.process) if one] if actual else []
    return [one for one in recorded if one.is_alive()] or marked(marks(NAME, state_dir.path))


async def _stop(members: list[ProcessState], grace: float) -> None:
    """Stop processes by their shims; without a shim (killed, or of an older version), stop them and their sessions."""
    processes = [process for member in members if (process := member.process)]
    sessions = session_members(processes)
    await stop_shims([shim for member in members if (shim := member.shim) and shim.is_alive()], grace)
    await stop(processes, grace)
    await kill(sessions)


def _runs(actual: ActualState, member: ProcessState, state_dir: StateDir) -> bool:
    """Whether a recorded process or its shim still runs, and is ours."""
    found = [process for process in (member.shim, member.process) if process]
    return any(_is_ours(actual, process, state_dir) for process in found)


def _is_ours(actual: ActualState, process: Process, state_dir: StateDir) -> bool:
    """Whether a recorded process still runs. A record without an identity may be a copy: the process's mark decides."""
    proven = actual.identity or mark_of(process.pid).endswith(f"@{state_dir.path}")
    return process.is_alive() and bool(proven)
