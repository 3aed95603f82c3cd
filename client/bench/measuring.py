"""Measures a bench's cells one after another, each on a fleet that has no other work."""

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
from typing import Final

from cloudkon.errors import CloudKonError, InvalidInput, ServiceError, UnknownRun
from cloudkon.programs import command, module

from ..api.fleet import Fleet
from ..follow.run_counts import RunCounts
from ..push.workload import write_workload
from ..slideshows.slideshows import slideshow_instructions
from .experiments import PICTURES, Cell, Experiment
from .findings import Finding, Findings
from .worker_scaling import Scaler, last_line

DELETED_SECONDS: Final = 90.0
"""How long SQS's counts may show messages that are deleted (GetQueueAttributes: they are right a minute after)."""
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms common to all cells of a bench; ``slots`` are per worker."""

    share: float
    chunk: int
    slots: int


@dataclass(frozen=True, slots=True)
class BenchEvents:
    """Callbacks of a bench.

    ``on_begin`` is called with each cell and the number of its tasks, ``on_progress`` with the number of tasks that
    have ended, ``on_finding`` with the finding of a cell, and ``on_note`` with a text for the user.
    """

    on_begin: Callable[[Cell, int], None] = lambda _cell, _tasks: None
    on_progress: Callable[[int], None] = lambda _tasks: None
    on_finding: Callable[[Cell, Finding], None] = lambda _cell, _finding: None
    on_note: Callable[[str], None] = lambda _text: None


@dataclass(frozen=True, slots=True)
class Bench:
    """Measures the cells of one fleet; without a fleet, those in one process. ``links`` are slideshows' pictures.

    A run is pushed while the pool has no worker. Then workers are started, and the ledger records when the first task
    started and the last one ended. So the figures don't include the push or the waiting, but they include that workers
    don't start all at once.
    """

    fleet: Fleet | None
    scaler: Scaler
    findings: Findings
    terms: Terms
    links: Sequence[str] = ()
    events: BenchEvents = BenchEvents()

    def measure(self, cells: Iterable[Cell]) -> None:
        """Measure the cells that were not measured yet. After an interruption, the same call repeats the last cell.

        The number of workers is restored at the end, also after an error. Raises ``InvalidInput`` if a queue holds
        messages that are not of this bench.
        """
        left = [cell for cell in cells if self.findings.of(cell) is None]
        for cell in left:
            if cell.experiment.is_local:
                self._keep(cell, self._measure_process(cell))
        if self.fleet:
            self._measure_on(self.fleet, [cell for cell in left if not cell.experiment.is_local])

    def _measure_on(self, fleet: Fleet, cells: Iterable[Cell]) -> None:
        self._clear_interrupted(fleet)
        prepared: set[str] = set()
        with ExitStack() as restored_pools:
            for cell in cells:
                pool = cell.experiment.pool
                if pool not in prepared:
                    prepared.add(pool)
                    restored_pools.enter_context(self._restored(pool))
                    _expect_idle(fleet, pool)
                self._keep(cell, self._measure_cell(fleet, cell))

    def _keep(self, cell: Cell, finding: Finding) -> None:
        self.findings.keep(cell, finding)
        self.events.on_finding(cell, finding)

    def instructions(self, experiment: Experiment, tasks: int) -> Iterator[str]:
        """Yield the instructions of an experiment."""
        if experiment.instruction:
            return repeat(experiment.instruction, tasks)
        return slideshow_instructions(self.links, tasks, PICTURES)

    def _measure_cell(self, fleet: Fleet, cell: Cell) -> Finding:
        slots = cell.width * self.terms.slots
        tasks = cell.experiment.count(slots, self.terms.share)
        self.events.on_begin(cell, tasks)
        self.scaler.scale(cell.experiment.pool, 0)
        run = fleet.submit(self.instructions(cell.experiment, tasks), chunk=self.terms.chunk)
        self.findings.begin(run.id)
        try:
            self.scaler.scale(cell.experiment.pool, cell.width)
            counts = run.wait(on_counts=lambda _, ended: self.events.on_progress(ended))
        except BaseException:
            # The run must not cost anything now. Its messages stay on the queue: see _clear_interrupted.
            with suppress(CloudKonError):
                run.cancel()
            raise
        return self._finding_of(cell, counts, slots)

    def _finding_of(self, cell: Cell, counts: RunCounts, slots: int) -> Finding:
        milliseconds = cell.experiment.milliseconds
        busy = counts.busy_seconds if milliseconds is None else counts.succeeded * milliseconds / 1000
        # A single task that does nothing may take no measurable time.
        seconds = max(counts.seconds, 1e-6)
        return Finding(counts.run.count, counts.failed, seconds, busy, slots, counts.run.id, _now())

    def _measure_process(self, cell: Cell) -> Finding:
        tasks = cell.experiment.count(cell.width, self.terms.share)
        self.events.on_begin(cell, tasks)
        with tempfile.TemporaryDirectory(prefix="cloudkon-bench-") as folder:
            workload = Path(folder, "workload.txt")
            write_workload(self.instructions(cell.experiment, tasks), workload)
            words = ["--local", str(workload), "--slots", str(cell.width), "--json"]
            program = [sys.executable, "-m", module("images.worker"), *words]
            done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  (our own program)
        if done.returncode:
            raise ServiceError(f"{command('images.worker')}: {last_line(done.stderr)}")
        summary = json.loads(done.stdout)
        busy = summary["efficiency"] * summary["seconds"] * cell.width
        return Finding(tasks, summary["failed"], summary["seconds"], busy, cell.width, "", _now())

    def _clear_interrupted(self, fleet: Fleet) -> None:
        """Let a worker clear an interrupted run off the queue, so that it isn't measured with the next cell."""
        if not self.findings.going:
            return
        # A fleet that doesn't know the run any more has none of its messages either.
        with suppress(UnknownRun):
            run = fleet.run(self.findings.going)
            run.cancel()
            self.events.on_note(f"clearing the interrupted run {run.id} off its queue")
            for pool in run.pools:
                with self._restored(pool):
                    self.scaler.scale(pool, 1)
                    run.wait()
                    _await_idle(fleet, pool)
        self.findings.cleared()

    @contextmanager
    def _restored(self, pool: str) -> Iterator[None]:
        """Restore the number of workers at the end: each of them may cost money."""
        before = self.scaler.wanted(pool)
        try:
            yield
        finally:
            if before is not None:
                self.scaler.scale(pool, before)


def _queued(fleet: Fleet, pool: str) -> int:
    (view,) = (view for view in fleet.pools() if view.pool == pool)
    return view.backlog.visible + view.backlog.in_flight + view.backlog.delayed


def _await_idle(fleet: Fleet, pool: str) -> None:
    """Wait until the last messages of an ended run are deleted, and the queue's counts show it."""
    deadline = time.monotonic() + DELETED_SECONDS
    while _queued(fleet, pool) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _expect_idle(fleet: Fleet, pool: str) -> None:
    if queued := _queued(fleet, pool):
        reason = f"its queue holds {queued:,} messages, which would be measured too"
        raise InvalidInput(f"pool {pool}", reason, f"Wait until they are done, or run: {command('client purge')}")


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
