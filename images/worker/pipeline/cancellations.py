"""Reads which runs were cancelled, each run's flag at most once every few seconds."""

from collections.abc import Callable, Iterable

import trio

from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.ports import Ledger

_SHORTEST_SECONDS = 0.05
"""Least time between two rounds of reads."""


class Cancellations:
    """The cancelled runs among those whose tasks this worker has."""

    def __init__(self, ledger: Ledger, every: float, log: Log) -> None:
        """Read each run's flag at most once in ``every`` seconds."""
        self._ledger = ledger
        self._every = every
        self._log = log
        self._read_at: dict[str, float] = {}
        self.cancelled: set[str] = set()

    async def refresh(self, runs: Iterable[str]) -> None:
        """Read the flags that were not read lately; a run whose flag can't be read counts as not cancelled."""
        now = trio.current_time()
        due = [run for run in set(runs) if run not in self.cancelled and self._is_due(run, now)]
        if not due:
            return
        async with trio.open_nursery() as nursery:
            for run in due:
                self._read_at[run] = now
                nursery.start_soon(self._read, run)

    def _is_due(self, run: str, now: float) -> bool:
        return now - self._read_at.get(run, float("-inf")) >= self._every

    async def _read(self, run_id: str) -> None:
        try:
            run = await self._ledger.read_run(run_id)
        except CloudKonError as error:
            self._log.warning("flag-failed", run=run_id, error=str(error))
            return
        if run is not None and run.cancelled:
            self.cancelled.add(run_id)

    async def watch(self, active: Callable[[], set[str]], on_run_cancelled: Callable[[str], None]) -> None:
        """Keep reading the flags of the ``active`` runs; call ``on_run_cancelled`` once for each cancelled one."""
        reported: set[str] = set()
        while True:
            await trio.sleep(max(self._every, _SHORTEST_SECONDS))
            runs = active()
            await self.refresh(runs)
            for run in (runs & self.cancelled) - reported:
                reported.add(run)
                self._log.info("run-cancelled", run=run)
                on_run_cancelled(run)
            for run in set(self._read_at) - runs:
                del self._read_at[run]
