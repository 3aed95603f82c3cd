"""Builds the local fleet's status from its supervisor's state and its queues."""

import time
from dataclasses import replace

from cloudkon.aws import connect
from cloudkon.errors import CloudKonError
from cloudkon.model import POOLS
from cloudkon.settings import Settings

from ..status import EmulatorStatus, FleetStatus, PoolStatus, WorkerStatus, with_queue_depths
from .actual_state import ActualState, PoolState, ProcessState


async def snapshot(settings: Settings, actual: ActualState) -> FleetStatus:
    """Build the status of a fleet whose supervisor runs.

    Queues that don't answer are a problem in the status, and not an error.
    """
    now = time.time()
    # Its lock is held, so it runs.
    visible = actual.supervisor.is_alive()
    emulator = actual.emulator
    pools = {pool.name: _pool(actual.pool(pool.name), now, visible=visible) for pool in POOLS}
    problems = _problems(actual)
    if not visible:
        problems.append(
            "the fleet's processes can't be seen from here (another container or PID namespace): the supervisor's last "
            "report is shown, with its process numbers"
        )
    try:
        services = connect(replace(settings, endpoint_url=actual.endpoint_url))
        pools = {name: await with_queue_depths(pool, services, name) for name, pool in pools.items()}
    except CloudKonError as error:
        problems.append(f"the queues don't answer: {error}")
    return FleetStatus(
        fleet=actual.fleet,
        target=settings.target,
        endpoint_url=actual.endpoint_url,
        uptime_seconds=now - actual.started,
        emulator=EmulatorStatus(_running_pid(emulator, visible=visible), emulator.restarts),
        pools=pools,
        problems=tuple(problems),
    )


def _pool(pool: PoolState, now: float, *, visible: bool) -> PoolStatus:
    members = tuple(_worker(member, now, visible=visible) for member in pool.members)
    return PoolStatus(pool.desired, pool.restarts, members)


def _worker(member: ProcessState, now: float, *, visible: bool) -> WorkerStatus:
    pid = _running_pid(member, visible=visible)
    uptime = max(0.0, now - member.started) if pid else 0.0
    return WorkerStatus(member.name, pid, uptime, member.restarts, member.stopping)


def _running_pid(member: ProcessState, *, visible: bool) -> int:
    """Return a process's pid; 0 if it does not run. What can't be seen from here runs if the supervisor says so."""
    process = member.process
    return process.pid if process and (process.is_alive() or not visible) else 0


def _problems(actual: ActualState) -> list[str]:
    problems = [actual.problem, actual.emulator.problem, *(member.problem for member in actual.workers)]
    emulator = actual.emulator
    if emulator.restarts and not emulator.problem:
        problems.append(
            f"the emulator was started again (restarts: {emulator.restarts}), the last time because "
            f"{emulator.last_end}. It continued from the state that was saved seconds before: some tasks may run again"
        )
    return [problem for problem in problems if problem]
