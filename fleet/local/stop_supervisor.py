"""Stopping: takes the local fleet down, whatever state it is in."""

import signal
import time
from typing import Final

import trio

from ..files import named_faults
from ..target import Report
from .emulator_process import GRACE_SECONDS
from .process import gone, kill_group, marked, stop
from .state_dir import Home

MARGIN_SECONDS: Final = 5.0
"""What the supervisor gets beyond the graces of those that it waits for."""
CLOCK_SECONDS: Final = 1.0
"""By how much a file system's clock may lag behind ours."""


async def stop_everything(home: Home, worker_grace: float, report: Report) -> None:
    """Stop the supervisor, which stops all that it keeps; then whatever is left. Safe to repeat."""
    observed, began = home.observed(), time.time()
    if observed and home.supervisor_lock.is_held():
        count = sum(member.pid > 0 for member in observed.workers)
        report(f"stopping the emulator and {count} workers" if count else "stopping the emulator")
        observed.supervisor.send(signal.SIGTERM)
        with trio.move_on_after(worker_grace + GRACE_SECONDS + MARGIN_SECONDS):
            await gone([observed.supervisor])
    await stop_leftovers(home, worker_grace, report)
    if observed and observed.ready and home.saved_at() < began - CLOCK_SECONDS:
        report("the emulator did not save its messages and ledger (killed, or the disk is full): they are lost")
    with named_faults(home.state_dir):
        home.change_wanted(lambda before: before.without_workers())
        home.write_endpoint(home.port())


async def stop_leftovers(home: Home, worker_grace: float, report: Report) -> None:
    """Stop what a supervisor that was killed left behind: workers, then the emulator, then whatever bears our mark."""
    observed = home.observed()
    if observed:
        await stop([observed.supervisor], 0.0)
        recorded = [member.process for member in observed.workers]
        workers = [process for process in recorded if process and process.is_alive()]
        emulator = observed.emulator.process
        emulators = [emulator] if emulator and emulator.is_alive() else []
        if workers or emulators:
            report(f"stopping {len(workers) + len(emulators)} processes that a killed supervisor left behind")
        await stop(workers, worker_grace)
        await stop(emulators, GRACE_SECONDS)
        for process in [*workers, *emulators]:
            kill_group(process.pid)
    await stop(marked("", home.state_dir), 0.0)
    with named_faults(home.state_dir):
        home.write_observed(None)
