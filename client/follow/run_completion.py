"""Quiet: how a cancelled run ends whose push never did. What was not sent reaches no worker and gets no result."""

from collections.abc import Iterable
from dataclasses import dataclass

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import Unavailable
from cloudkon.model import Depth, Run
from cloudkon.ports import Services

QUIET_SECONDS = 60.0
"""For so long nothing must be left before a run is taken to be over: SQS's counts may lag a minute behind (SQS API
reference, ``GetQueueAttributes``)."""
ASK_EVERY = 5.0
"""Seconds between two times that waiting asks whether anything is left."""


def is_quiet(running: int, depths: Iterable[Depth]) -> bool:
    """Whether nobody works on a run, nor could: no chunk of it is held, and its queues are empty."""
    return not running and all(depth.empty for depth in depths)


async def nothing_left(services: Services, run: Run, running: int) -> bool:
    """Whether the run was cancelled, and nobody can come to work on it. A service that fails may hide something."""
    if running:
        return False
    try:
        found = await persist(lambda: services.ledger.read_run(run.id), BRIEF)
        if found is None or not found.cancelled:
            return False
        depths = [await persist(services.queue(part.pool, run.priority).depth, BRIEF) for part in run.ranges]
    except Unavailable:
        return False
    return is_quiet(running, depths)


@dataclass(slots=True)
class Quiet:
    """How long nothing has been left of a run, in monotonic seconds."""

    _since: float | None = None
    _asked: float = float("-inf")

    def due(self, now: float) -> bool:
        """Whether to ask again."""
        if now < self._asked + ASK_EVERY:
            return False
        self._asked = now
        return True

    def note(self, *, quiet: bool, now: float) -> bool:
        """Take note of an answer; tell whether it has been the same for long enough."""
        if not quiet:
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now >= self._since + QUIET_SECONDS
