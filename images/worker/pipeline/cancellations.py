"""Flags: which runs were cancelled, read at most every few seconds."""

from collections.abc import Callable, Iterable

import trio

from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.ports import Ledger


class Cancellations:
    """What the ledger says of the runs that this worker has tasks of."""

    def __init__(self, ledger: Ledger, every: float, log: Log) -> None:
        """Read each run's flag ``every`` so many seconds at the most."""
        self._ledger = ledger
        self._every = every
        self._log = log
        self._read_at: dict[str, float] = {}
        self.cancelled: set[str] = set()

    async def learn(self, runs: Iterable[str]) -> None:
        """Read the flags of runs that were not read lately; a run that can't be read counts as not cancelled."""
        now = trio.current_time()
        due = [run for run in set(runs) if run not in self.cancelled and self._due(run, now)]
        if not due:
            return
        async with trio.open_nursery() as nursery:
            for run in due:
                self._read_at[run] = now
                nursery.start_soon(self._read, run)

    def _due(self, run: str, now: float) -> bool:
        return now - self._read_at.get(run, float("-inf")) >= self._every

    async def _read(self, run_id: str) -> None:
        try:
            run = await self._ledger.read_run(run_id)
        except CloudKonError as error:
            self._log.warning("flag-failed", run=run_id, error=str(error))
            return
        if run is not None and run.cancelled:
            self.cancelled.add(run_id)

    async def watch(self, active: Callable[[], set[str]], on_cancel: Callable[[str], None]) -> None:
        """Keep reading the flags of active runs; say once of each that it was cancelled."""
        on_response: set[str] = set()
        while True:
            await trio.sleep(max(self._every, 0.05))
            runs = active()
            await self.learn(runs)
            for run in (runs & self.cancelled) - on_response:
                on_response.add(run)
                self._log.info("run-cancelled", run=run)
                on_cancel(run)
            for run in set(self._read_at) - runs:
                del self._read_at[run]
