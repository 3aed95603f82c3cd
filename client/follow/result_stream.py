"""Feed: a run's results as they come, each once, for few requests.

Two sources tell of them. Reports on the result queue are quick, and up to 500 results come by one message; but anybody
may take them away, and those of other runs may lie in the way. The ledger misses nothing, and costs a request a shard.
So the queue is listened to all the time, and the ledger is looked at ever less often: whenever the waiting has got a
tenth longer. That is some hundred looks in an hour, and no result is known much later than it had to be.
"""

import logging
from dataclasses import dataclass, field

from cloudkon.backoff import persist
from cloudkon.model import Result, Run
from cloudkon.ports import Clock, Services, TrioClock

from .progress_sampler import ProgressSampler
from .report_listener import ReportListener
from .run_completion import Quiet, nothing_left
from .stranded import RunStranded, missing, nothing_queued, stranded
from .wait import LONGEST_WAIT, PATIENT_WITH_LEDGER, RECORDS_PER_SECOND

LOG = logging.getLogger("cloudkon")
SHORTEST_WAIT = 0.1
"""Seconds between two looks at the ledger, for a run of few chunks that has just begun."""
SHARE = 0.1
"""Of the time that was waited so far, how long the next look may be away."""


@dataclass(slots=True)
class ResultStream:
    """The results of one run that were not given yet. One reader at a time."""

    services: Services
    run: Run
    clock: Clock = field(default_factory=TrioClock)
    _survey: ProgressSampler = field(init=False)
    _hints: ReportListener = field(init=False)
    _given: bytearray = field(init=False)
    _ready: list[Result] = field(default_factory=list)
    _left: int = field(init=False)
    _quiet: Quiet = field(default_factory=Quiet)
    _dead: Quiet = field(default_factory=Quiet)
    _began: float | None = None
    _look_began: float = float("-inf")
    _next_look: float = float("-inf")

    def __post_init__(self) -> None:
        """Nothing was given yet."""
        self._survey = ProgressSampler(self.run, self._take)
        self._hints = ReportListener(self.services.results, self.run, self._take)
        # A byte a task: a run of a million costs a megabyte.
        self._given = bytearray(self.run.count)
        self._left = self.run.count

    async def more(self) -> list[Result]:
        """The next results, as soon as there are any; none once the run has ended.

        That is when every task has its result, or when the run was cancelled and nothing of it is left on its queues:
        what was never sent gets no result. Raises ``RunStranded`` when all that is missing has been dead letters for a
        minute, and what the services raise; what passes within minutes is waited for.
        """
        while self._left and not self._ready:
            now = self.clock.monotonic()
            if self._survey.due(self._look_began):
                await self._read_page()
            elif now < self._next_look:
                await self._hints.listen(self._next_look - now, enough=1)
            elif await self._is_over(now):
                break
            else:
                self._began = now if self._began is None else self._began
                self._look_began = now
        found, self._ready = self._ready, []
        return found

    async def _read_page(self) -> None:
        began = self._look_began
        await persist(lambda: self._survey.read(self.services.ledger, 1, self.clock.wall(), began), PATIENT_WITH_LEDGER)
        if not self._survey.due(began):
            self._next_look = self.clock.monotonic() + self._wait(began)

    async def _is_over(self, now: float) -> bool:
        if self._began is None or not self._quiet.due(now):
            return False
        counted = self._survey.tally()
        if self._quiet.note(quiet=await nothing_left(self.services, self.run, counted.running), now=now):
            return True
        if self._dead.note(quiet=await nothing_queued(self.services, self.run, counted.running), now=now):
            if letters := await stranded(self.services, counted):
                raise RunStranded(self.run, letters)
            LOG.warning(missing(self.run, counted.waiting))
            self._dead = Quiet()
        return False

    def _wait(self, now: float) -> float:
        """Seconds until the next look."""
        assert self._began is not None
        shortest = max(SHORTEST_WAIT, self.run.chunk_count / RECORDS_PER_SECOND)
        return min(LONGEST_WAIT, max(shortest, SHARE * (now - self._began)))

    def _take(self, result: Result) -> None:
        """Have it given, unless it was."""
        if not self._given[result.task.seq]:
            self._given[result.task.seq] = 1
            self._left -= 1
            self._ready.append(result)
