"""Builds the docker fleet's status from its containers and queues."""

import time
from typing import Final

from cloudkon.aws import connect
from cloudkon.errors import CloudKonError, NoFleet
from cloudkon.model import POOLS
from cloudkon.programs import command
from cloudkon.settings import Settings

from ..status import EmulatorStatus, FleetStatus, PoolStatus, WorkerStatus, with_queue_depths
from .container import Container
from .engine import Engine
from .localstack import LocalStack
from .worker_container import composed_workers, image_of, own_workers

RECOVERY: Final = (
    f"Make the queues again with: {command('fleet up')}, and send a run again with: {command('client push --run ID')}"
)


async def snapshot(engine: Engine, settings: Settings) -> FleetStatus:
    """Build the status. Queues that don't answer are a problem in it. Raises ``NoFleet`` if nothing is up."""
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
                f"pool {pool.name}: {others} of its workers run another image than the current {image_of(pool)}; "
                f"to replace them, scale to 0 and back to {len(ours)}"
            )
        if composed:
            notes.append(
                f"pool {pool.name}: {len(composed)} of its workers belong to a compose file; scale them with compose"
            )
    try:
        # A paused LocalStack accepts calls and never answers them: each would last as long as a long poll.
        if not (container and container.paused):
            services = connect(settings)
            pools = {name: await with_queue_depths(pool, services, name) for name, pool in pools.items()}
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
        f"not up on this Docker engine, and {settings.service_endpoint()} has no queues of it",
        f"Start it with: {command('fleet up')}",
    )


def _pool(ours: list[Container], composed: list[Container], now: float) -> PoolStatus:
    workers = [_worker(one, one.name, now) for one in ours]
    workers += [_worker(one, f"{one.name} (compose)", now) for one in composed]
    return PoolStatus(len(workers), sum(one.restarts for one in ours + composed), tuple(workers))


def _worker(container: Container, name: str, now: float) -> WorkerStatus:
    return WorkerStatus(name, container.pid, _uptime(container, now), container.restarts, stopping=False)


def _uptime(container: Container, now: float) -> float:
    return max(0.0, now - container.started) if container.running else 0.0


def _problem(worker: Container) -> str:
    """Return the problem of a worker; empty if it is well."""
    if worker.state == "restarting":
        return f"{worker.name} does not stay up, {worker.end}; see: {command('fleet logs')}"
    if worker.paused:
        return worker.paused
    if not worker.running:
        return f"{worker.name} does not run ({worker.state}, {worker.end}); repair it with: {command('fleet up')}"
    if worker.health == "unhealthy":
        return f"{worker.name} makes no progress, according to its health check; see: {command('fleet logs')}"
    return ""


def _emulator_problems(container: Container | None) -> list[str]:
    if container and container.paused:
        return [container.paused]
    if container and not container.running:
        remedy = f"repair it with: {command('fleet up')}"
        return [f"{container.name} does not run ({container.state}, {container.end}); {remedy}"]
    if container and container.restarts:
        return [f"{container.name} was started again (restarts: {container.restarts}): its data is lost. {RECOVERY}"]
    return []
