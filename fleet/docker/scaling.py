"""Scaling: brings a pool to a count of workers, and waits until it is there."""

from typing import Final

import trio

from cloudkon.aws import connect
from cloudkon.errors import ServiceError
from cloudkon.model import Pool
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
"""How long new workers may take to come up."""
SETTLE_SECONDS: Final = 5.0
"""A worker that doesn't log its start (that depends on the log level) counts as up when it has lived that long."""
LOOK_SECONDS: Final = 0.2
STARTED: Final = '"action": "started"'
"""In the line that a worker logs when it takes up work."""
KEPT_STATES: Final = ("running", "paused")
"""Workers in any other state have died, or keep dying: they are replaced by new ones, of the image of today."""


class Scaling:
    """One change of one pool's count."""

    def __init__(self, engine: Engine, settings: Settings, pool: Pool, report: Report) -> None:
        """``settings`` name the endpoint as this machine sees it."""
        self._engine, self._settings, self._pool, self._report = engine, settings, pool, report

    async def to(self, count: int) -> None:
        """Have that many workers. Raises ``NoImage`` or ``NoFleet`` before anything is changed.

        Raises ``ServiceError`` with a worker's last words if one dies at once; the others stay.
        """
        ours = await own_workers(self._engine, self._settings.fleet, self._pool)
        living = [one for one in ours if one.state in KEPT_STATES]
        dead = [one for one in ours if one.state not in KEPT_STATES]
        kept, surplus = living[:count], living[count:]
        missing = count - len(kept)
        worker_network = await self._checked_network() if missing else None
        if composed := len(await composed_workers(self._engine, self._settings, self._pool)):
            self._report(f"beside these, {composed} belong to a compose file: they stay as they are")
        # First, so that their names are free.
        await self._remove(dead)
        numbers = _free_numbers({one.number for one in kept + surplus}, missing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._retire, surplus)
            if worker_network:
                nursery.start_soon(self._add, numbers, worker_network)

    async def _checked_network(self) -> WorkerNetwork:
        """Make sure of all that a new worker needs."""
        image = image_of(self._pool)
        if not await self._engine.image_id(image):
            raise NoImage(
                f"image {image}",
                "it is not on this Docker engine",
                f"Make it with: {BUILD} (or name another one in {image_variable(self._pool)})",
            )
        await connect(self._settings).queues[self._pool.name].depth()
        return await find_worker_network(self._engine, self._settings.fleet, self._settings.service_endpoint())

    async def _retire(self, workers: list[Container]) -> None:
        """Stop workers side by side, each with the whole grace, and remove them."""
        grace = grace_seconds(self._settings)
        if workers:
            self._report(f"stopping {len(workers)} (they have up to {grace} s to end what they run)")
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(retire, self._engine, worker, grace)

    async def _remove(self, workers: list[Container]) -> None:
        if workers:
            self._report(f"replacing or removing {len(workers)} that had died ({workers[-1].name}: {workers[-1].end})")
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(self._engine.remove, worker)

    async def _add(self, numbers: list[int], worker_network: WorkerNetwork) -> None:
        plans = [worker_plan(self._settings, self._pool, number, worker_network) for number in numbers]
        # Made one after the other, so that the highest number is the newest; started, which takes longer, side by side.
        made = [(await self._engine.create(plan), plan.name) for plan in plans]
        async with trio.open_nursery() as nursery:
            for identity, name in made:
                nursery.start_soon(self._engine.start, identity, name)
        await self._settled(set(numbers))

    async def _settled(self, numbers: set[int]) -> None:
        """Wait until these workers have taken up work."""
        began = trio.current_time()
        waiting = set(numbers)
        while waiting and trio.current_time() < began + START_SECONDS:
            for worker in await own_workers(self._engine, self._settings.fleet, self._pool):
                if worker.number in waiting and await self._is_up(worker, trio.current_time() - began):
                    waiting.discard(worker.number)
            if waiting:
                await trio.sleep(LOOK_SECONDS)
        if waiting:
            raise ServiceError(
                f"pool {self._pool.name!r}: {len(waiting)} of {len(numbers)} new workers are not up after "
                f"{START_SECONDS:.0f} s. They go on starting; see: python -m fleet status"
            )

    async def _is_up(self, worker: Container, seconds: float) -> bool:
        """Whether it works. Raises ``ServiceError`` with its last words if it has died already."""
        if worker.running and worker.restarts and seconds < SETTLE_SECONDS:
            return False  # While it runs again the engine does not tell how it ended: look until it ends once more.
        lines = await self._engine.log(worker, 3)
        if worker.state not in ("created", *KEPT_STATES) or worker.restarts:
            said = " | ".join(line.partition(" ")[2] for line in lines)
            raise ServiceError(
                f"worker {worker.name} does not stay up, {worker.end}: {said or 'it said nothing'}. "
                "The engine goes on starting it; see: python -m fleet status"
            )
        return worker.running and (seconds >= SETTLE_SECONDS or any(STARTED in line for line in lines))


async def retire(engine: Engine, worker: Container, grace: int) -> None:
    """SIGTERM, the grace, and gone."""
    await engine.stop(worker, grace)
    await engine.remove(worker)


def _free_numbers(taken: set[int], count: int) -> list[int]:
    """The lowest numbers that no container has; one that is about to stop still has its name."""
    return [number for number in range(1, len(taken) + count + 1) if number not in taken][:count]
