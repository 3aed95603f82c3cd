"""Fleet: the Python interface, for scripts and notebooks; ``from client import Fleet``.

with Fleet() as fleet:
    for output in fleet.map("resize {}", names):
        print(output)
"""

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from weakref import finalize

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import InvalidInput
from cloudkon.instructions import pool_of
from cloudkon.memory import memory_services
from cloudkon.ports import Services
from cloudkon.settings import Settings

from ..follow.overview import PoolView, RunView, latest_runs, pools
from ..records.runs import find_run
from ..slideshows.pictures import find_pictures, upload_found
from .fleet_connection import FleetConnection
from .fleet_run import FleetRun
from .futures import output_of
from .portal import Portal
from .submission import submit_workload, write_instructions


class MemoryWorker(Protocol):
    """What works on a fleet in memory; ``images.worker.testing.worker`` makes one."""

    @property
    def words(self) -> Collection[str]:
        """The first words that it takes."""
        ...

    async def __call__(self, services: Services) -> None:
        """Work until cancelled."""
        ...


class Fleet:
    """The fleet that the settings name, on whatever target.

    All methods block, and may be called from any thread; an own thread does what must be done meanwhile, until
    ``close``. Errors are those of ``cloudkon.errors``: ``InvalidInput`` for what the caller can mend, ``ServiceError``
    for what the services refused. Ctrl-C is ``KeyboardInterrupt`` as ever, and loses nothing: its traceback says how
    to go on.
    """

    def __init__(self, settings: Settings | None = None, *, services: Services | None = None) -> None:
        """``settings`` are by default the environment's (``CLOUDKON_*``), ``services`` the adapters on AWS.

        Nothing is asked of the fleet yet, so a missing one shows at first use. Raises ``NoFleet`` if the target is
        local and no fleet is up here, ``InvalidSetting`` for what can't be used.
        """
        chosen = settings or Settings.from_environment()
        connected = services or _connect(chosen)
        portal = Portal()
        self._link = FleetConnection(chosen, connected, portal)
        self._files = ExitStack()
        self._close = finalize(self, _close, portal, self._files)

    @classmethod
    def in_memory(cls, worker: MemoryWorker) -> Self:
        """A fleet in this process, for tests: it needs no AWS and no emulator, and is gone when it is closed."""
        folder = tempfile.TemporaryDirectory(prefix="cloudkon-fleet-")
        settings = replace(Settings(), state_dir=Path(folder.name), handlers=tuple(worker.words))
        fleet = cls(settings, services=memory_services())
        fleet._files.callback(folder.cleanup)
        portal = fleet._link.portal
        working = portal.start(partial(worker, fleet._link.services))
        # Without its worker nothing would ever end.
        working.outcome.add_done_callback(lambda _: portal.shut())
        return fleet

    def submit(
        self,
        instructions: Iterable[str],
        *,
        name: str = "instructions",
        chunk: int | str = 1,
        priority: str = "normal",
        duration: float | None = None,
    ) -> FleetRun:
        """Push instructions as a new run. All are checked before any is sent.

        ``chunk`` is how many tasks go in a message; ``"auto"`` aims at a quarter of a second of work, by ``duration``
        (seconds a task) or what the last run's tasks took. ``priority`` ``"high"`` overtakes what waits. ``name`` is
        what errors call the instructions. If sending broke off, submitting the same instructions again goes on where it
        stopped.

        Raises ``InvalidWorkload`` with all that is wrong, ``PushBroke`` where sending failed.
        """
        with tempfile.TemporaryFile() as workload:
            write_instructions(instructions, workload)
            run = submit_workload(self._link, workload, name, chunk=chunk, priority=priority, duration=duration)
            if len(run.ranges) == 1:
                return FleetRun(self._link, run)
            workload.seek(0)
            words = self._link.settings.handlers
            pools = [pool_of(line.decode(), words).name for line in workload]
        following = {part.pool: iter(range(part.first, part.first + part.count)) for part in run.ranges}
        return FleetRun(self._link, run, [next(following[pool]) for pool in pools])

    def map(
        self,
        instruction: str,
        *columns: Iterable[object],
        chunk: int | str = 1,
        priority: str = "normal",
        duration: float | None = None,
        timeout: float | None = None,
    ) -> Iterator[str]:
        """Run an instruction for each item, and give the outputs in the items' order, as soon as they are there.

        ``instruction`` is filled in as by ``str.format``, ``"resize {} --width {}"`` from two columns of items. All are
        pushed at once, as one run; nothing is where there is no item. Where a task failed, ``TaskFailed`` is raised in
        its place, ``CancelledError`` where it was cancelled; ``TimeoutError`` after so many seconds.
        """
        rows = zip(*columns, strict=True)
        first = next(rows, None)
        if first is None:
            return iter(())
        instructions = (instruction.format(*row) for row in chain([first], rows))
        run = self.submit(instructions, chunk=chunk, priority=priority, duration=duration)
        return map(output_of, run.in_order(timeout))

    def run(self, run_id: str | None = None) -> FleetRun:
        """The run of that id, or the one pushed last from this state directory. Raises ``UnknownRun``."""
        found = self._link.call(lambda services: find_run(services.ledger, run_id, self._link.pushes), "Ask again")
        return FleetRun(self._link, found)

    def runs(self, limit: int = 20) -> list[RunView]:
        """The runs there are, the latest first, with their counts and ages; a few requests each."""

        async def work(services: Services) -> list[RunView]:
            async with aclosing(latest_runs(services, limit)) as views:
                return [view async for view in views]

        return self._link.call(work, "Ask again")

    def pools(self) -> list[PoolView]:
        """What lies on each pool's queues: two requests each."""
        return self._link.call(pools, "Ask again")

    def upload(self, *sources: str | Path) -> list[str]:
        """Links to pictures, for ``animoto``: of links, files of links, pictures, and folders of pictures.

        Files are uploaded, equal ones once. Raises ``InvalidInput`` for a source that is none of these.
        """
        found = find_pictures(map(str, sources))
        return self._link.call(lambda services: upload_found(services.store, found), "Upload them again to go on")

    def fetch(self, address: str) -> bytes:
        """An object of the store: what an output names that is too long for a result. Raises ``ObjectMissing``."""
        if not address.startswith("s3://"):
            raise InvalidInput(f"address {address!r:.60}", "it is not of the form s3://BUCKET/KEY")
        with tempfile.TemporaryDirectory(prefix="cloudkon-fetch-") as folder:
            path = Path(folder, "object")

            async def work(services: Services) -> None:
                await persist(lambda: services.store.get(address, path), BRIEF)

            self._link.call(work, "Fetch it again")
            return path.read_bytes()

    @property
    def settings(self) -> Settings:
        """What it was opened with."""
        return self._link.settings

    def close(self) -> None:
        """End what goes on in the background. Runs go on; futures that are not done fail with ``FleetClosed``."""
        self._close()

    def __enter__(self) -> Self:
        """Give the fleet itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def _connect(settings: Settings) -> Services:
    from cloudkon.aws import connect  # noqa: PLC0415  (boto3 takes 0.2 s, and a fleet in memory needs none)

    return connect(settings)


def _close(portal: Portal, files: ExitStack) -> None:
    portal.close()
    files.close()
