"""Snapshot: the docker fleet's status, put together from its containers and its queues."""

import time
from dataclasses import replace
from typing import Final

from cloudkon.aws import connect
from cloudkon.errors import CloudKonError, NoFleet
from cloudkon.model import POOLS
from cloudkon.ports import Services
from cloudkon.settings import Settings

from ..status import EmulatorStatus, FleetStatus, PoolStatus, WorkerStatus
from .container import Container
from .engine import Engine
from .localstack import LocalStack
from .worker_container import composed_workers, image_of, own_workers

AGAIN: Final = (
    "Make the queues again with: python -m fleet up, and send a run again with: python -m client push --run ID"
)


async def snapshot(engine: Engine, settings: Settings) -> FleetStatus:
    """Ask engine and queues. Queues that don't answer are a problem in the status; ``NoFleet`` if nothing is up."""
    endpoint, now = settings.service_endpoint(), time.time()
    emulator = LocalStack(engine, settings.fleet, endpoint)
    container = await emulator.publisher() or await emulator.container()
    problems, notes = _emulator_problems(container), list[str]()
    pools, found = {}, [container] if container else []
    for pool in POOLS:
        ours = await own_workers(engine, settings.fleet, pool)
        composed = await composed_workers(engine, settings, pool)
        pools[pool.name] = _pool(ours, composed, now)
        found += ours + composed
        problems += [problem for one in ours + composed if (problem := _problem(one))]
        image = await engine.image_id(image_of(pool)) if ours else ""
        if others := sum(bool(image) and one.image != image for one in ours):
            notes.append(
                f"{others} of pool {pool.name} run another image than {image_of(pool)} is now; replace them by: "
                f"scale 0, scale {len(ours)}"
            )
        if composed:
            notes.append(f"{len(composed)} of pool {pool.name} belong to a compose file; change those with compose")
    try:
        # One that is paused takes calls and never answers them: each would last for as long as a long poll.
        if not (container and container.paused):
            services = connect(settings)
            pools = {name: await _with_depths(services, name, pool) for name, pool in pools.items()}
    except CloudKonError as error:
        if not found:
            raise _nothing_up(settings) from error
        problems.append(f"the queues don't answer: {error}")
    return FleetStatus(
        fleet=settings.fleet,
        target=settings.target,
        endpoint_url=endpoint,
        uptime_seconds=max((_uptime(one, now) for one in found), default=0.0),
        emulator=EmulatorStatus(container.pid, container.restarts) if container else None,
        pools=pools,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _nothing_up(settings: Settings) -> NoFleet:
    return NoFleet(
        f"fleet {settings.fleet!r}",
        f"it is not up on this Docker engine, and {settings.service_endpoint()} has no queues of it",
        "Start it with: python -m fleet up",
    )


async def _with_depths(services: Services, name: str, pool: PoolStatus) -> PoolStatus:
    backlog = await services.backlog(name)
    dead = await services.dead_letters[name].depth()
    return replace(pool, backlog=backlog, dead_letters=dead.visible + dead.in_flight + dead.delayed)


def _pool(ours: list[Container], composed: list[Container], now: float) -> PoolStatus:
    workers = [_worker(one, one.name, now) for one in ours]
    workers += [_worker(one, f"{one.name} (compose)", now) for one in composed]
    return PoolStatus(len(workers), sum(one.restarts for one in ours + composed), tuple(workers))


def _worker(container: Container, name: str, now: float) -> WorkerStatus:
    return WorkerStatus(name, container.pid, _uptime(container, now), container.restarts, stopping=False)


def _uptime(container: Container, now: float) -> float:
    return max(0.0, now - container.started) if container.running else 0.0


def _problem(worker: Container) -> str:
    """What a person should know of a worker that is not well."""
    if worker.state == "restarting":
        return f"{worker.name} does not stay up, {worker.end}; see: python -m fleet logs"
    if worker.paused:
        return worker.paused
    if not worker.running:
        return f"{worker.name} does not run ({worker.state}, {worker.end}); mend it with: python -m fleet up"
    if worker.health == "unhealthy":
        return f"{worker.name} makes no progress, by its health check; see: python -m fleet logs"
    return ""


def _emulator_problems(container: Container | None) -> list[str]:
    if container and container.paused:
        return [container.paused]
    if container and not container.running:
        return [f"{container.name} does not run ({container.state}, {container.end}); mend it with: python -m fleet up"]
    if container and container.restarts:
        return [
            f"{container.name} had to be started again (restarts: {container.restarts}): what it held is lost. {AGAIN}"
        ]
    return []
