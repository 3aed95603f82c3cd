"""Implements the target ``docker``: a Docker engine runs the workers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

import trio

from cloudkon.errors import ServiceError
from cloudkon.model import POOLS, Pool
from cloudkon.settings import Settings

from ..data_deletion import delete_data as delete_stack_data
from ..files import translate_os_errors
from ..lock import Lock
from ..provision import provision
from ..status import FleetStatus
from ..target import Report
from .build import build_images
from .container import Container
from .docker_errors import EngineRefuses, NoEngine
from .engine import Engine, open_engine
from .healthcheck import is_ready, wait_until_ready
from .localstack import LocalStack
from .logs import LogReader
from .networking import network_name
from .scaling import KEPT_STATES, Scaling, retire
from .snapshot import snapshot
from .worker_container import grace_seconds, own_workers

ANSWER_SECONDS: Final = 60.0
"""How long an endpoint that this target did not start may take to answer."""


class DockerTarget:
    """The fleet of one name on one engine. Its only state is the engine's containers."""

    def __init__(
        self, settings: Settings, opened: Callable[[], AbstractAsyncContextManager[Engine]] = open_engine
    ) -> None:
        """``opened`` connects to the engine; each command connects once."""
        self._settings = settings
        self._endpoint = settings.service_endpoint()
        self._opened = opened

    async def build(self, pools: tuple[Pool, ...], report: Report, platform: str = "") -> None:
        """Build the pools' images, for the engine's own platform unless another is named."""
        async with self._opened() as engine:
            await build_images(engine, pools, report, platform)

    async def up(self, report: Report) -> str:
        """Start LocalStack if nothing answers, provision, and replace dead workers.

        With an endpoint but without an engine, as in a container of a compose file, it only provisions.
        """
        async with AsyncExitStack() as opened:
            try:
                engine = await opened.enter_async_context(self._opened())
            except NoEngine as error:
                if isinstance(error, EngineRefuses) or not self._settings.endpoint_url:
                    raise
                report(f"no Docker engine here: only creating queues, table and bucket at {self._endpoint}")
                await self._wait_for_endpoint()
                await provision(self._settings, report)
                return self._endpoint
            await opened.enter_async_context(self._one_command(report))
            await LocalStack(engine, self._settings.fleet, self._endpoint).ensure(report)
            await provision(self._settings, report)
            await self._replace_dead(engine, report)
        return self._endpoint

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        """Set the count of a pool's workers of this target. Those of a compose file are not counted."""
        async with self._opened() as engine, self._one_command(report):
            await Scaling(engine, self._settings, pool, report).to(count)

    async def status(self) -> FleetStatus:
        """Return containers as the engine sees them, and queues as LocalStack counts them."""
        async with self._opened() as engine:
            return await snapshot(engine, self._settings)

    async def logs(self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        """Write the logs of all workers, also of those of a compose file."""
        async with self._opened() as engine:
            await LogReader(engine, self._settings, pool).read(lines, follow=follow, write=write)

    async def down(self, report: Report, *, delete_data: bool) -> None:
        """Remove the workers. LocalStack stays unless ``delete_data`` is set, because its data is only in memory."""
        async with self._opened() as engine, self._one_command(report):
            workers = await own_workers(engine, self._settings.fleet)
            await self._retire(engine, workers, report)
            emulator = LocalStack(engine, self._settings.fleet, self._endpoint)
            if delete_data:
                if not await emulator.remove(report) and await is_ready(self._endpoint):
                    report(f"deleting messages, ledger and stored objects at {self._endpoint}")
                    await delete_stack_data(self._settings)
            elif await emulator.container():
                report("LocalStack stays, because its data is only in memory; to remove it, pass --delete-data")
                return
            await engine.remove_network(network_name(self._settings.fleet), self._settings.fleet)

    async def _replace_dead(self, engine: Engine, report: Report) -> None:
        for pool in POOLS:
            workers = await own_workers(engine, self._settings.fleet, pool)
            if any(worker.state not in KEPT_STATES for worker in workers):
                await Scaling(engine, self._settings, pool, report).to(len(workers))

    async def _retire(self, engine: Engine, workers: list[Container], report: Report) -> None:
        grace = grace_seconds(self._settings)
        if workers:
            report(f"stopping workers: {len(workers)}, up to {grace} s each")
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(retire, engine, worker, grace)

    async def _wait_for_endpoint(self) -> None:
        with trio.move_on_after(ANSWER_SECONDS):
            await wait_until_ready(self._endpoint)
            return
        raise ServiceError(f"endpoint {self._endpoint}: no answer after {ANSWER_SECONDS:.0f} s")

    @asynccontextmanager
    async def _one_command(self, report: Report) -> AsyncIterator[None]:
        """Let one command of this machine at a time change the fleet, so that two don't number the same workers."""
        with translate_os_errors(self._settings.state_dir):
            self._settings.state_dir.mkdir(parents=True, exist_ok=True)
        lock = Lock(self._settings.state_dir / f"docker-{self._settings.fleet}.lock")
        async with lock.taken(lambda: report("waiting for another command on this fleet")):
            yield
