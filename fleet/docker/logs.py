"""Merges the logs of the workers' containers into one stream."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import trio

from cloudkon.errors import NoFleet
from cloudkon.model import POOLS, Pool
from cloudkon.programs import command
from cloudkon.settings import Settings

from .container import Container
from .engine import Engine
from .worker_container import composed_workers, own_workers

LOOK_SECONDS: Final = 0.5
MOST_LINES: Final = 10_000
"""The most lines of one worker between two reads; further lines are left out."""


class StampedLine(NamedTuple):
    """One line with the engine's timestamp as text. Text order is time order: all are in UTC and of one length."""

    time: str
    source: str
    text: str


class LogReader:
    """Reads the logs of one pool's workers, or of all workers."""

    def __init__(self, engine: Engine, settings: Settings, pool: Pool | None) -> None:
        """``pool`` is ``None`` for all pools."""
        self._engine, self._settings = engine, settings
        self._pools = (pool,) if pool else POOLS
        self._seen: dict[str, str] = {}

    async def read(self, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        """Write the last lines of each log; with ``follow``, go on with new lines until cancelled.

        Raises ``NoFleet`` if there are no workers, unless ``follow`` is set.
        """
        workers = await self._workers()
        if not workers and not follow:
            raise NoFleet(
                f"fleet {self._settings.fleet!r}", "no workers", f"Start some with: {command('fleet scale 2')}"
            )
        await self._write(workers, lines, write)
        while follow:
            await trio.sleep(LOOK_SECONDS)
            await self._write(await self._workers(), MOST_LINES, write)

    async def _workers(self) -> list[Container]:
        found: list[Container] = []
        for pool in self._pools:
            found += await own_workers(self._engine, self._settings.fleet, pool)
            found += await composed_workers(self._engine, self._settings, pool)
        return found

    async def _write(self, workers: list[Container], lines: int, write: Callable[[str, str], None]) -> None:
        """Write the workers' last lines that were not written before."""
        new: list[StampedLine] = []

        async def read(worker: Container) -> None:
            seen = self._seen.get(worker.id, "")
            # With no lines to show, the last line still marks where new lines begin.
            found = await self._engine.log(worker, max(lines, 1), _epoch(seen))
            stamped = [StampedLine(stamp, worker.name, text) for stamp, _, text in map(_split, found) if stamp > seen]
            if stamped:
                self._seen[worker.id] = stamped[-1].time
            new.extend(stamped if lines else ())

        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(read, worker)
        for line in sorted(new, key=lambda line: line.time):
            if line.text.strip():
                write(line.source, line.text)


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def _epoch(stamp: str) -> float:
    """Return a timestamp in seconds, as the engine expects it; a microsecond early, as floats have fewer digits."""
    return datetime.fromisoformat(stamp).timestamp() - 1e-6 if stamp else 0.0
