"""Reads the items of runs: which runs were cancelled, and where the chunks of a run lie.

Each run's item is read at most once every few seconds.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import trio

from cloudkon.backoff import Backoff, persist
from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.model import Run
from cloudkon.ports import Ledger

_SHORTEST_SECONDS = 0.05
"""Least time between two rounds of reads."""
_FIRST_READ: Final = Backoff(tries=3, first=0.05, most=0.2, jitter=0.0)
"""The tries of a run's first read, on which the check of its chunks depends."""


class Cancellations:
    """The cancelled runs among those whose tasks this worker has, and the facts of all of them."""

    def __init__(self, ledger: Ledger, every: float, log: Log) -> None:
        """Read each run's item at most once in ``every`` seconds."""
        self._ledger = ledger
        self._every = every
        self._log = log
        self._read_at: dict[str, float] = {}
        self._known: dict[str, Run] = {}
        """The runs that were read, as they were then. Nothing of a run changes but the flag."""
        self._first_reads: dict[str, trio.Event] = {}
        """For each run that is being read for the first time: the event that is set when that has ended."""
        self.cancelled: set[str] = set()

    async def refresh(self, runs: Iterable[str]) -> Mapping[str, Run]:
        """Read the items that were not read lately, and return the runs that have one.

        A run whose item can't be read counts as not cancelled and as a run without an item: the item is no condition
        for running the tasks.
        """
        now = trio.current_time()
        wanted = set(runs)
        # Now, because a run that no chunk belongs to any more may be forgotten while others are read.
        known = {run: self._known[run] for run in wanted if run in self._known}
        due = [run for run in wanted if self._is_due(run, now)]
        others = [(run, self._first_reads[run]) for run in wanted if run in self._first_reads]
        if due:
            async with trio.open_nursery() as nursery:
                for run in due:
                    if run not in self._read_at:
                        self._first_reads[run] = trio.Event()
                    self._read_at[run] = now
                    nursery.start_soon(self._read, run, known)
        for run, read in others:
            await read.wait()
            if run in self._known:
                known[run] = self._known[run]
        return known

    def _is_due(self, run: str, now: float) -> bool:
        if run in self._first_reads:
            return False
        read_at = self._read_at.get(run)
        return read_at is None or (run not in self.cancelled and now - read_at >= self._every)

    async def _read(self, run_id: str, known: dict[str, Run]) -> None:
        first = self._first_reads.get(run_id)
        try:
            run = await (self._read_first(run_id) if first is not None else self._ledger.read_run(run_id))
            if run is not None:
                known[run_id] = self._known[run_id] = run
                if run.cancelled:
                    self.cancelled.add(run_id)
        except CloudKonError as error:
            self._log.warning("flag-failed", run=run_id, error=str(error))
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not fail the other runs)
            self._log.unexpected("flag-failed", error, run=run_id)
        finally:
            if first is not None:
                first.set()
                self._first_reads.pop(run_id, None)

    async def _read_first(self, run_id: str) -> Run | None:
        return await persist(lambda: self._ledger.read_run(run_id), _FIRST_READ)

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
                self._known.pop(run, None)
