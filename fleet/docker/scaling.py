"""Scales a pool to a count of containers, and waits until its workers have started."""

from typing import Final

import trio

from cloudkon.aws import connect
from cloudkon.errors import ServiceError
from cloudkon.model import Pool
from cloudkon.programs import command
from cloudkon.settings import Settings

from ..target import Report
from .container import Container
from .docker_errors import BUILD, NoImage
from .engine import Engine
from .networking import WorkerNetwork, find_worker_network
from .worker_container import (
    composed_workers,
    grace_seconds,
    image_of,
    image_variable,
    own_workers,
    worker_plan,
)

START_SECONDS: Final = 60.0
"""How long new workers may take to start."""
SETTLE_SECONDS: Final = 5.0
"""A worker without a logged start (this depends on the log level) counts as started after this time."""
LOOK_SECONDS: Final = 0.2
STARTED: Final = '"action": "started"'
"""Part of the line that a worker logs when it starts to receive."""
KEPT_STATES: Final = ("running", "paused")
"""Workers in any other state have died, or keep dying: new ones of the current image replace them."""


class Scaling:
    """Changes the count of one pool's workers."""

    def __init__(self, engine: Engine, settings: Settings, pool: Pool, report: Report) -> None:
        """``settings`` contain the endpoint as this machine sees it."""
        self._engine, self._settings, self._pool, self._report = engine, settings, pool, report

    async def to(self, count: int) -> None:
        """Scale to ``count`` workers. Raises ``NoImage`` or ``NoFleet`` before anything is changed.

        Raises ``ServiceError`` with a worker's last log lines if it dies at once; the others stay.
        """
        ours = await own_workers(self._engine, self._settings.fleet, self._pool)
        alive = [one for one in ours if one.state in KEPT_STATES]
        dead = [one for one in ours if one.state not in KEPT_STATES]
        kept, surplus = alive[:count], alive[count:]
        missing = count - len(kept)
        worker_network = await self._checked_network() if missing else None
        if composed := len(await composed_workers(self._engine, self._settings, self._pool)):
            self._report(f"{composed} of the pool's workers belong to a compose file and stay unchanged")
        # Remove the dead first, so that their names are free.
        await self._remove(dead)
        numbers = _free_numbers({one.number for one in kept + surplus}, missing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._retire, surplus)
            if worker_network:
                nursery.start_soon(self._add, numbers, worker_network)

    async def _checked_network(self) -> WorkerNetwork:
        """Check image and queue, and return the network for new workers."""
        image = image_of(self._pool)
        if not await self._engine.image_id(image):
            raise NoImage(
                f"image {image}",
                "not on this Docker engine",
                f"Build it with: {BUILD} (or name another one in {image_variable(self._pool)})",
            )
        await connect(self._settings).queues[self._pool.name].depth()
        return await find_worker_network(self._engine, self._settings.fleet, self._settings.service_endpoint())

    async def _retire(self, workers: list[Container]) -> None:
        """Stop workers side by side, each with the full grace, and remove them."""
        grace = grace_seconds(self._settings)
        if workers:
            self._report(f"stopping workers: {len(workers)}, up to {grace} s each")
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(retire, self._engine, worker, grace)

    async def _remove(self, workers: list[Container]) -> None:
        if workers:
            last = workers[-1]
            self._report(f"replacing or removing dead workers: {len(workers)} ({last.name}: {last.end})")
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(self._engine.remove, worker)

    async def _add(self, numbers: list[int], worker_network: WorkerNetwork) -> None:
        plans = [worker_plan(self._settings, self._pool, number, worker_network) for number in numbers]
        # Created one after the other, so that the highest number is the newest. Starts take longer: side by side.
        created = [(await self._engine.create(plan), plan.name) for plan in plans]
        async with trio.open_nursery() as nursery:
            for identity, name in created:
                nursery.start_soon(self._engine.start, identity, name)
        await self._wait_until_started(set(numbers))

    async def _wait_until_started(self, numbers: set[int]) -> None:
        """Wait until these workers have started to receive."""
        began = trio.current_time()
        waiting = set(numbers)
        while waiting and trio.current_time() < began + START_SECONDS:
            for worker in await own_workers(self._engine, self._settings.fleet, self._pool):
                if worker.number in waiting and await self._is_started(worker, trio.current_time() - began):
                    waiting.discard(worker.number)
            if waiting:
                await trio.sleep(LOOK_SECONDS)
        if waiting:
            raise ServiceError(
                f"pool {self._pool.name!r}: {len(waiting)} of {len(numbers)} new workers have not started after "
                f"{START_SECONDS:.0f} s. Docker goes on starting them; see: {command('fleet status')}"
            )

    async def _is_started(self, worker: Container, seconds: float) -> bool:
        """Whether a worker has started. Raises ``ServiceError`` with its last log lines if it has died already."""
        if worker.running and worker.restarts and seconds < SETTLE_SECONDS:
            return False  # A running container no longer shows its last exit: check again when it exits once more.
        lines = await self._engine.log(worker, 3)
        if worker.state not in ("created", *KEPT_STATES) or worker.restarts:
            excerpt = " | ".join(line.partition(" ")[2] for line in lines) or "its log is empty"
            raise ServiceError(
                f"worker {worker.name} does not stay up, {worker.end}: {excerpt}. "
                f"Docker goes on starting it; see: {command('fleet status')}"
            )
        return worker.running and (seconds >= SETTLE_SECONDS or any(STARTED in line for line in lines))


async def retire(engine: Engine, worker: Container, grace: int) -> None:
    """Stop a worker, with its grace, and remove it."""
    await engine.stop(worker, grace)
    await engine.remove(worker)


def _free_numbers(taken: set[int], count: int) -> list[int]:
    """Return the lowest numbers that no container has. A worker that is stopping still has its name."""
    return [number for number in range(1, len(taken) + count + 1) if number not in taken][:count]
