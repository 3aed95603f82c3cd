"""Decides whether a run is over. ``wait``, ``watch`` and ``result_stream`` all ask here.

A run is over when

- every task has its result, or
- it was cancelled, no worker holds a chunk of it, and its queues have been empty for ``QUIET_SECONDS``: a task that was
  never sent gets no result, or
- all of its missing tasks have been in dead-letter queues for ``QUIET_SECONDS``: the run is stranded, or
- the state of all missing tasks has been unknown for ``QUIET_SECONDS``, because their items in the ledger can't be
  right: a later claim may put such an item right, but nothing else can.

Tasks that are neither queued, running nor dead letters may still be sent by a push that goes on, so they don't end a
run: they are reported every ``QUIET_SECONDS``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import Unavailable
from cloudkon.model import Depth, Run
from cloudkon.ports import Services

from ..dead_letters.dead_letters import DeadLetter
from .run_counts import RunCounts
from .stranded import stranded_letters

QUIET_SECONDS = 60.0
"""How long a run must have been idle before it counts as over: SQS's counts may lag by a minute (SQS API reference,
``GetQueueAttributes``)."""
ASK_SECONDS = 5.0
"""Seconds between two requests for the queues' depths while a run is followed."""


def is_idle(running: int, depths: Iterable[Depth]) -> bool:
    """Whether no worker holds a chunk of a run, and the queues with these depths are empty."""
    return not running and all(depth.empty for depth in depths)


@dataclass(slots=True)
class _Timer:
    """Measures how long a condition has held, in monotonic seconds."""

    _since: float | None = None
    _asked: float = float("-inf")

    def due(self, now: float) -> bool:
        """Whether to check the condition again; if so, the next check is due ``ASK_SECONDS`` later."""
        if now < self._asked + ASK_SECONDS:
            return False
        self._asked = now
        return True

    def has_held(self, *, holds: bool, now: float) -> bool:
        """Record whether the condition holds now; return whether it has held for ``QUIET_SECONDS``."""
        if not holds:
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now >= self._since + QUIET_SECONDS


@dataclass(slots=True)
class RunCompletion:
    """Decides whether one run is over, for one loop that follows it. ``now`` is always in monotonic seconds.

    ``on_stranded`` is called with the dead letters that end the run; without it, dead letters end nothing and are not
    looked for. ``on_missing`` is called every ``QUIET_SECONDS`` with the number of tasks that are neither queued,
    running nor dead letters.
    """

    services: Services
    run: Run
    on_stranded: Callable[[Sequence[DeadLetter]], None] | None = None
    on_missing: Callable[[int], None] = lambda _tasks: None
    _drained: _Timer = field(default_factory=_Timer)
    _idle: _Timer = field(default_factory=_Timer)
    _unknown: _Timer = field(default_factory=_Timer)

    async def is_over(self, counts: RunCounts, now: float) -> bool:
        """Whether the run is over by counts that have just been read."""
        return counts.complete or await self.is_abandoned(counts, now)

    async def is_abandoned(self, counts: RunCounts, now: float) -> bool:
        """Whether the missing tasks will get no result: the run was cancelled, is stranded, or can't be read.

        Asks for the queues' depths, at most every ``ASK_SECONDS``. A service that fails for a while decides nothing.
        """
        if self._unknown.has_held(holds=counts.only_unknown_left, now=now):
            return True
        if self._drained.due(now):
            holds = await self._is_cancelled_and_drained(counts.running)
            if self._drained.has_held(holds=holds, now=now):
                return True
        return await self._is_stranded(counts, now)

    def is_over_by_snapshot(
        self,
        *,
        complete: bool,
        cancelled: bool,
        running: int,
        depths: Iterable[Depth],
        now: float,
        only_unknown_left: bool = False,
    ) -> bool:
        """Whether the run is over by facts that the caller has just read. Makes no request; looks for no dead letters.

        ``cancelled`` is false too where the caller could not read the facts: old ones decide nothing.
        """
        drained = self._drained.has_held(holds=cancelled and is_idle(running, depths), now=now)
        unknown = self._unknown.has_held(holds=only_unknown_left, now=now)
        return complete or drained or unknown

    async def _is_cancelled_and_drained(self, running: int) -> bool:
        if running:
            return False
        try:
            found = await persist(lambda: self.services.ledger.read_run(self.run.id), BRIEF)
            if found is None or not found.cancelled:
                return False
            return is_idle(running, await self._depths())
        except Unavailable:
            return False

    async def _is_stranded(self, counts: RunCounts, now: float) -> bool:
        if self.on_stranded is None or not self._idle.due(now):
            return False
        if not self._idle.has_held(holds=await self._is_idle_now(counts.running), now=now):
            return False
        if letters := await stranded_letters(self.services, counts):
            self.on_stranded(letters)
            return True
        self.on_missing(counts.waiting)
        self._idle = _Timer()
        return False

    async def _is_idle_now(self, running: int) -> bool:
        if running:
            return False
        try:
            return is_idle(running, await self._depths())
        except Unavailable:
            return False

    async def _depths(self) -> list[Depth]:
        queues = [self.services.queue(part.pool, self.run.priority) for part in self.run.ranges]
        return [await persist(queue.depth, BRIEF) for queue in queues]
