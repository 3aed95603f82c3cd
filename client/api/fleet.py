"""Defines ``Fleet``, the Python interface for scripts and notebooks: ``from client import Fleet``.

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

MOST_FETCHED = 2**30
"""Bytes that ``Fleet.fetch`` returns, unless its caller allows more."""


class MemoryWorker(Protocol):
    """A worker of a fleet in memory; ``images.worker.testing.worker`` returns one."""

    @property
    def words(self) -> Collection[str]:
        """The first words of the instructions that it has handlers for."""
        ...

    async def __call__(self, services: Services) -> None:
        """Work until cancelled."""
        ...


class Fleet:
    """The fleet that the settings name, on any target.

    All methods block, and may be called from any thread. One background thread does the work until ``close``. Errors
    are those of ``cloudkon.errors``: ``InvalidInput`` if the caller can fix the input, ``ServiceError`` if a service
    refused a request. Ctrl-C raises ``KeyboardInterrupt`` and loses nothing: its traceback says how to continue.
    """

    def __init__(self, settings: Settings | None = None, *, services: Services | None = None) -> None:
        """Connect to a fleet.

        ``settings`` are by default those of the environment (``CLOUDKON_*``), ``services`` the adapters on AWS. No
        request is made yet, so a missing fleet shows at first use. Raises ``NoFleet`` if the target is local and no
        fleet runs here, ``InvalidSetting`` for a setting that can't be used.
        """
        chosen = settings or Settings.from_environment()
        connected = services or _connect(chosen)
        portal = Portal()
        self._connection = FleetConnection(chosen, connected, portal)
        self._files = ExitStack()
        self._close = finalize(self, _close, portal, self._files)

    @classmethod
    def in_memory(cls, worker: MemoryWorker) -> Self:
        """Make a fleet in this process, for tests: it needs no AWS and no emulator, and ``close`` deletes it."""
        folder = tempfile.TemporaryDirectory(prefix="cloudkon-fleet-")
        settings = replace(Settings(), state_dir=Path(folder.name), handlers=tuple(worker.words))
        fleet = cls(settings, services=memory_services())
        fleet._files.callback(folder.cleanup)
        portal = fleet._connection.portal
        working = portal.start(partial(worker, fleet._connection.services))
        # Without its worker no run would ever end.
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

        ``chunk`` is the number of tasks in a message; ``"auto"`` aims at a quarter of a second of work, by ``duration``
        (seconds a task) or the seconds of the last run's tasks. ``priority`` ``"high"`` overtakes waiting messages.
        Errors call the instructions ``name``. If sending breaks off, submit the same instructions again: the push
        continues where it stopped.

        Raises ``InvalidWorkload`` with every problem found, ``PushBroke`` if sending failed.
        """
        with tempfile.TemporaryFile() as workload:
            write_instructions(instructions, workload)
            run = submit_workload(self._connection, workload, name, chunk=chunk, priority=priority, duration=duration)
            if len(run.ranges) == 1:
                return FleetRun(self._connection, run)
            workload.seek(0)
            words = self._connection.settings.handlers
            pools = [pool_of(line.decode(), words).name for line in workload]
        following = {part.pool: iter(range(part.first, part.first + part.count)) for part in run.ranges}
        return FleetRun(self._connection, run, [next(following[pool]) for pool in pools])

    def map(
        self,
        instruction: str,
        *columns: Iterable[object],
        chunk: int | str = 1,
        priority: str = "normal",
        duration: float | None = None,
        timeout: float | None = None,
    ) -> Iterator[str]:
        """Run an instruction for each item, and yield the outputs in the items' order, as soon as they come.

        ``instruction`` is filled in by ``str.format``: ``"resize {} --width {}"`` needs two columns of items. All
        instructions are pushed at once, as one run; an empty iterable pushes nothing. At the place of a task that
        failed, ``TaskFailed`` is raised; of one that was cancelled, ``CancelledError``. Raises ``TimeoutError`` after
        ``timeout`` seconds.
        """
        rows = zip(*columns, strict=True)
        first = next(rows, None)
        if first is None:
            return iter(())
        instructions = (instruction.format(*row) for row in chain([first], rows))
        run = self.submit(instructions, chunk=chunk, priority=priority, duration=duration)
        return map(output_of, run.in_order(timeout))

    def run(self, run_id: str | None = None) -> FleetRun:
        """Open the run with this id, or the run pushed last from this state directory. Raises ``UnknownRun``."""
        found = self._connection.call(
            lambda services: find_run(services.ledger, run_id, self._connection.pushes), "Call it again"
        )
        return FleetRun(self._connection, found)

    def runs(self, limit: int = 20) -> list[RunView]:
        """List the latest runs, the latest first, with their counts and ages; a few requests each."""

        async def work(services: Services) -> list[RunView]:
            async with aclosing(latest_runs(services, limit)) as views:
                return [view async for view in views]

        return self._connection.call(work, "Call it again")

    def pools(self) -> list[PoolView]:
        """Return the depths of each pool's queues: three requests a pool."""
        return self._connection.call(pools, "Call it again")

    def upload(self, *sources: str | Path) -> list[str]:
        """Return links to pictures, for ``animoto``. A source is a link, a file of links, a picture or a folder.

        Picture files are uploaded, equal ones once. Raises ``InvalidInput`` for any other source.
        """
        found = find_pictures(map(str, sources))
        return self._connection.call(
            lambda services: upload_found(services.store, found), "Upload them again to continue"
        )

    def fetch(self, address: str, limit: int = MOST_FETCHED) -> bytes:
        """Return an object's bytes, such as an output too long for a result.

        Raises ``ObjectMissing``, or ``ObjectTooLarge`` if it has more than ``limit`` bytes.
        """
        if not address.startswith("s3://"):
            raise InvalidInput(f"address {address!r:.60}", "not of the form s3://BUCKET/KEY")
        with tempfile.TemporaryDirectory(prefix="cloudkon-fetch-") as folder:
            path = Path(folder, "object")

            async def work(services: Services) -> None:
                await persist(lambda: services.store.get(address, path, limit), BRIEF)

            self._connection.call(work, "Fetch it again")
            return path.read_bytes()

    @property
    def settings(self) -> Settings:
        """The settings of this fleet."""
        return self._connection.settings

    def close(self) -> None:
        """Stop the background thread. Runs go on; futures that are not done fail with ``FleetClosed``."""
        self._close()

    def __enter__(self) -> Self:
        """Return the fleet itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the fleet."""
        self.close()


def _connect(settings: Settings) -> Services:
    from cloudkon.aws import connect  # noqa: PLC0415  (boto3 takes 0.2 s, and a fleet in memory needs none)

    return connect(settings)


def _close(portal: Portal, files: ExitStack) -> None:
    portal.close()
    files.close()
