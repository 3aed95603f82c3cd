"""Measuring: one cell after the other, each on a fleet that has nothing else to do."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from cloudkon.errors import CloudKonError, InvalidInput, ServiceError, UnknownRun

from ..api.fleet import Fleet
from ..follow.run_counts import RunCounts
from ..push.workload import write_workload
from ..slideshows.slideshows import slideshow_instructions
from .experiments import PICTURES, Cell, Experiment
from .findings import Finding, Findings
from .worker_scaling import Scaler, last_line


@dataclass(frozen=True, slots=True)
class Terms:
    """What every cell of a bench has in common; ``slots`` are those of each worker."""

    share: float
    chunk: int
    slots: int


@dataclass(frozen=True, slots=True)
class BenchEvents:
    """What a bench tells while it goes on.

    ``began`` is told each cell and its tasks, ``ended`` how many of these have, ``found`` what was found of a cell, and
    ``note`` a sentence for a person.
    """

    began: Callable[[Cell, int], None] = lambda _cell, _tasks: None
    ended: Callable[[int], None] = lambda _tasks: None
    found: Callable[[Cell, Finding], None] = lambda _cell, _finding: None
    note: Callable[[str], None] = lambda _text: None


@dataclass(frozen=True, slots=True)
class Bench:
    """Measures cells of one fleet; without any, those in one process. ``links`` are the pictures of slideshows.

    A run is pushed while the pool has no worker; then the workers come, and the ledger says from when to when they
    worked. So neither the push nor the waiting counts, but that workers don't all start at the same moment does.
    """

    fleet: Fleet | None
    scaler: Scaler
    findings: Findings
    terms: Terms
    links: Sequence[str] = ()
    events: BenchEvents = BenchEvents()

    def measure(self, cells: Iterable[Cell]) -> None:
        """Measure those that were not measured yet. Interrupted, the same call goes on with the cell it was at.

        Workers are set back at the end, whatever the end. Raises ``InvalidInput`` where messages that are not of this
        bench are on a queue.
        """
        left = [cell for cell in cells if self.findings.of(cell) is None]
        for cell in left:
            if cell.experiment.is_local:
                self._keep(cell, self._measure_process(cell))
        if self.fleet:
            self._measure_on(self.fleet, [cell for cell in left if not cell.experiment.is_local])

    def _measure_on(self, fleet: Fleet, cells: Iterable[Cell]) -> None:
        self._end_broken_off(fleet)
        taken: set[str] = set()
        with ExitStack() as taken_pools:
            for cell in cells:
                pool = cell.experiment.pool
                if pool not in taken:
                    taken.add(pool)
                    taken_pools.enter_context(self._restored(pool))
                    _expect_idle(fleet, pool)
                self._keep(cell, self._measure_cell(fleet, cell))

    def _keep(self, cell: Cell, finding: Finding) -> None:
        self.findings.keep(cell, finding)
        self.events.found(cell, finding)

    def instructions(self, experiment: Experiment, tasks: int) -> Iterator[str]:
        """The workload of an experiment."""
        if experiment.instruction:
            return repeat(experiment.instruction, tasks)
        return slideshow_instructions(self.links, tasks, PICTURES)

    def _measure_cell(self, fleet: Fleet, cell: Cell) -> Finding:
        slots = cell.width * self.terms.slots
        tasks = cell.experiment.count(slots, self.terms.share)
        self.events.began(cell, tasks)
        self.scaler.scale(cell.experiment.pool, 0)
        run = fleet.submit(self.instructions(cell.experiment, tasks), chunk=self.terms.chunk)
        self.findings.begin(run.id)
        try:
            self.scaler.scale(cell.experiment.pool, cell.width)
            tally = run.wait(on_counts=lambda _, ended: self.events.ended(ended))
        except BaseException:
            # What nobody waits for should cost nothing. Its messages are on the queue still: see _end_broken_off.
            with suppress(CloudKonError):
                run.cancel()
            raise
        return self._found(cell, tally, slots)

    def _found(self, cell: Cell, tally: RunCounts, slots: int) -> Finding:
        asked = cell.experiment.milliseconds
        busy = tally.busy_seconds if asked is None else tally.succeeded * asked / 1000
        # One task that does nothing may take no measurable time.
        seconds = max(tally.seconds, 1e-6)
        return Finding(tally.run.count, tally.failed, seconds, busy, slots, tally.run.id, _now())

    def _measure_process(self, cell: Cell) -> Finding:
        tasks = cell.experiment.count(cell.width, self.terms.share)
        self.events.began(cell, tasks)
        with tempfile.TemporaryDirectory(prefix="cloudkon-bench-") as folder:
            workload = Path(folder, "workload.txt")
            write_workload(self.instructions(cell.experiment, tasks), workload)
            words = ["--local", str(workload), "--slots", str(cell.width), "--json"]
            command = [sys.executable, "-m", "images.worker", *words]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  (our own program)
        if done.returncode:
            raise ServiceError(f"python -m images.worker: {last_line(done.stderr)}")
        summary = json.loads(done.stdout)
        busy = summary["efficiency"] * summary["seconds"] * cell.width
        return Finding(tasks, summary["failed"], summary["seconds"], busy, cell.width, "", _now())

    def _end_broken_off(self, fleet: Fleet) -> None:
        """Have what an interrupted bench left taken off the queue, so that it isn't measured with the next cell."""
        if not self.findings.going:
            return
        # A fleet that lost the run has lost its messages as well.
        with suppress(UnknownRun):
            run = fleet.run(self.findings.going)
            run.cancel()
            self.events.note(f"clearing away run {run.id}, which was interrupted")
            for pool in run.pools:
                with self._restored(pool):
                    self.scaler.scale(pool, 1)
                    run.wait()
        self.findings.cleared()

    @contextmanager
    def _restored(self, pool: str) -> Iterator[None]:
        """Leave as many workers as there were: each of them may cost money."""
        before = self.scaler.wanted(pool)
        try:
            yield
        finally:
            if before is not None:
                self.scaler.scale(pool, before)


def _expect_idle(fleet: Fleet, pool: str) -> None:
    (view,) = (view for view in fleet.pools() if view.pool == pool)
    queued = view.backlog.visible + view.backlog.in_flight + view.backlog.delayed
    if queued:
        reason = f"{queued:,} messages are on its queue, which would be measured too"
        raise InvalidInput(f"pool {pool}", reason, "Wait until they are done, or: python -m client purge")


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
