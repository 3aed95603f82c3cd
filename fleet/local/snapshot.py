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
    """Build the status. Queues that don't answer are a problem in the status, and not an error."""
    now = time.time()
    emulator = actual.emulator
    pools = {pool.name: _pool(actual.pool(pool.name), now) for pool in POOLS}
    problems = _problems(actual)
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
        emulator=EmulatorStatus(_running_pid(emulator), emulator.restarts),
        pools=pools,
        problems=tuple(problems),
    )


def _pool(pool: PoolState, now: float) -> PoolStatus:
    return PoolStatus(pool.desired, pool.restarts, tuple(_worker(member, now) for member in pool.members))


def _worker(member: ProcessState, now: float) -> WorkerStatus:
    pid = _running_pid(member)
    uptime = max(0.0, now - member.started) if pid else 0.0
    return WorkerStatus(member.name, pid, uptime, member.restarts, member.stopping)


def _running_pid(member: ProcessState) -> int:
    process = member.process
    return process.pid if process and process.is_alive() else 0


def _problems(actual: ActualState) -> list[str]:
    problems = [actual.problem, actual.emulator.problem, *(member.problem for member in actual.workers)]
    emulator = actual.emulator
    if emulator.restarts and not emulator.problem:
        problems.append(
            f"the emulator was started again (restarts: {emulator.restarts}), the last time because "
            f"{emulator.last_end}. It continued from the state that was saved seconds before: some tasks may run again"
        )
    return [problem for problem in problems if problem]
