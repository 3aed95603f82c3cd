"""Stops the local fleet, whatever state it is in."""

import signal
from dataclasses import replace
from typing import Final

from cloudkon.aws.emulator_save import save_emulator
from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.programs import command
from cloudkon.settings import Settings

from ..files import translate_os_errors
from ..target import Report
from .actual_state import ActualState, ProcessState
from .emulator_process import GRACE_SECONDS
from .identity import marks, own_actual_state
from .processes.marks import is_shim, mark_of
from .processes.process import Process, kill, marked, session_members, stop, stop_shims, wait_until_gone
from .state_dir import StateDir

MARGIN_SECONDS: Final = 5.0
"""Added to the graces of the processes that the supervisor waits for."""


async def check_saving(settings: Settings, state_dir: StateDir) -> None:
    """Save the emulator's state before anything is stopped. Raises ``CloudKonError`` if that fails (a full disk).

    Does nothing where no emulator answers that could save: then the last saved state is all there is.
    """
    actual = own_actual_state(state_dir)
    if actual and actual.ready and state_dir.supervisor_lock.is_held():
        try:
            await save_emulator(replace(settings, endpoint_url=actual.endpoint_url, state_dir=state_dir.path))
        except Unavailable:
            return
        except CloudKonError as error:
            raise CloudKonError(
                f"{error}. Nothing was stopped or deleted. Free some space and run down again, or give the data up "
                f"with: {command('fleet down --delete-data')}"
            ) from error


async def stop_everything(state_dir: StateDir, worker_grace: float, report: Report) -> bool:
    """Stop the supervisor, which stops all its processes; then stop what is left. Safe to repeat.

    Returns whether the emulator, if it was up, saved its state at its end.
    """
    actual, before = own_actual_state(state_dir), state_dir.last_snapshot()
    if actual and state_dir.supervisor_lock.is_held():
        count = sum(member.pid > 0 for member in actual.workers)
        report(f"stopping the emulator and {count} workers" if count else "stopping the emulator")
        actual.supervisor.send(signal.SIGTERM)
        await wait_until_gone([actual.supervisor], worker_grace + GRACE_SECONDS + MARGIN_SECONDS)
    await stop_leftovers(state_dir, worker_grace, report)
    saved = not (actual and actual.ready) or state_dir.last_snapshot() != before
    with translate_os_errors(state_dir.path):
        state_dir.change_desired_state(lambda before: before.without_workers())
        state_dir.write_endpoint(state_dir.port())
    return saved


async def stop_leftovers(state_dir: StateDir, worker_grace: float, report: Report) -> None:
    """Stop what a killed supervisor left running: workers, then the emulator, then all processes with our mark."""
    actual = own_actual_state(state_dir)
    if actual:
        if _is_ours(actual, actual.supervisor, state_dir):
            await kill([actual.supervisor])
        workers = [member for member in actual.workers if _runs(actual, member, state_dir)]
        emulators = [member for member in [actual.emulator] if _runs(actual, member, state_dir)]
        if workers or emulators:
            report(f"stopping {len(workers) + len(emulators)} processes that a killed supervisor left running")
        await _stop(workers, worker_grace)
        await _stop(emulators, GRACE_SECONDS)
    # First the shims, because they end what others can't find.
    ours = marks("", state_dir.path)
    await stop_shims([process for process in marked(ours) if is_shim(process.pid)], 0.0)
    await stop(marked(ours), 0.0)
    with translate_os_errors(state_dir.path):
        state_dir.write_actual_state(None)


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
