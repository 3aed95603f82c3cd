"""Starts the supervisor, and waits until it reports that the fleet is ready."""

import os
import subprocess
import sys
from typing import Final

import trio

from cloudkon.errors import ServiceError
from cloudkon.programs import module
from cloudkon.settings import PREFIX, Settings

from ..files import open_private, translate_os_errors
from ..target import Report
from .actual_state import ActualState
from .identity import mark
from .log_files import last_lines, rotate
from .processes.process_table import MARK
from .state_dir import StateDir

READY_SECONDS: Final = 90.0
"""From the request to a complete stack; one or two seconds on an idle machine."""
LOOK_SECONDS: Final = 0.05


def start_supervisor(settings: Settings, state_dir: StateDir, report: Report) -> "subprocess.Popen[bytes]":
    """Start the supervisor in a session of its own, so that it goes on after this command and its terminal end."""
    report("starting the emulator; creating queues, table and bucket")
    log = state_dir.logs / "supervisor.log"
    rotate(log)
    environment = {
        **os.environ,
        **settings.to_environment(),
        f"{PREFIX}STATE_DIR": str(state_dir.path),
        # A command is recorded, and not the fleet that goes on after it.
        f"{PREFIX}RECORD": "",
        MARK: mark("supervisor", state_dir.path),
    }
    with translate_os_errors(log), open(log, "ab", opener=open_private) as output:
        return subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-m", module("fleet.local"), environment[MARK]],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def wait_for_answer(state_dir: StateDir, request: int, started: "subprocess.Popen[bytes] | None") -> ActualState:
    """Wait until the supervisor has handled a request; return its state then.

    Raises ``ServiceError`` with the problem that it reports, or with its log's last lines if it has exited.
    """
    log = state_dir.logs / "supervisor.log"
    with trio.move_on_after(READY_SECONDS):
        while True:
            if (started and started.poll() is not None) or not (started or state_dir.supervisor_lock.is_held()):
                excerpt = " | ".join(last_lines(log, 2))
                raise ServiceError(
                    f"the supervisor has exited, and the fleet is not up: {excerpt or f'its log is empty: {log}'}"
                )
            actual = state_dir.actual_state()
            if actual and state_dir.supervisor_lock.is_held() and actual.answered == request:
                if actual.problem:
                    raise ServiceError(f"the fleet is not up: {actual.problem}")
                return actual
            if actual and state_dir.supervisor_lock.is_held() and actual.emulator.problem:
                raise ServiceError(f"the fleet is not up: {actual.emulator.problem}")
            await trio.sleep(LOOK_SECONDS)
    raise ServiceError(f"the fleet is not up after {READY_SECONDS:.0f} s. See {log}. Try down, then up")
