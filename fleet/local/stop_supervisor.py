"""Stops the local fleet, whatever state it is in."""

import signal
from dataclasses import replace
from typing import Final

import trio

from cloudkon.aws.emulator_save import save_emulator
from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.programs import command
from cloudkon.settings import Settings

from ..files import translate_os_errors
from ..target import Report
from .emulator_process import GRACE_SECONDS
from .process import kill_group, marked, stop, wait_until_gone
from .state_dir import StateDir

MARGIN_SECONDS: Final = 5.0
"""Added to the graces of the processes that the supervisor waits for."""


async def check_saving(settings: Settings, state_dir: StateDir) -> None:
    """Save the emulator's state before anything is stopped. Raises ``CloudKonError`` if that fails (a full disk).

    Does nothing where no emulator answers that could save: then the last saved state is all there is.
    """
    actual = state_dir.actual_state()
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
    actual, before = state_dir.actual_state(), state_dir.last_snapshot()
    if actual and state_dir.supervisor_lock.is_held():
        count = sum(member.pid > 0 for member in actual.workers)
        report(f"stopping the emulator and {count} workers" if count else "stopping the emulator")
        actual.supervisor.send(signal.SIGTERM)
        with trio.move_on_after(worker_grace + GRACE_SECONDS + MARGIN_SECONDS):
            await wait_until_gone([actual.supervisor])
    await stop_leftovers(state_dir, worker_grace, report)
    saved = not (actual and actual.ready) or state_dir.last_snapshot() != before
    with translate_os_errors(state_dir.path):
        state_dir.change_desired_state(lambda before: before.without_workers())
        state_dir.write_endpoint(state_dir.port())
    return saved


async def stop_leftovers(state_dir: StateDir, worker_grace: float, report: Report) -> None:
    """Stop what a killed supervisor left running: workers, then the emulator, then all processes with our mark."""
    actual = state_dir.actual_state()
    if actual:
        await stop([actual.supervisor], 0.0)
        recorded = [member.process for member in actual.workers]
        workers = [process for process in recorded if process and process.is_alive()]
        emulator = actual.emulator.process
        emulators = [emulator] if emulator and emulator.is_alive() else []
        if workers or emulators:
            report(f"stopping {len(workers) + len(emulators)} processes that a killed supervisor left running")
        await stop(workers, worker_grace)
        await stop(emulators, GRACE_SECONDS)
        for process in [*workers, *emulators]:
            kill_group(process.pid)
    await stop(marked("", state_dir.path), 0.0)
    with translate_os_errors(state_dir.path):
        state_dir.write_actual_state(None)
