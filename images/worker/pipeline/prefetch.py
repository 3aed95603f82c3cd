"""Decides how many messages a worker asks its queues for, so that its slots have about 90 ms of work.

Prefetch is measured in time: more is asked for when the tasks that wait, run and were asked for will last less than
``LEAD_SECONDS``. Measured by number, short tasks would need many small receives (1.7 calls a task instead of 0.5), and
long tasks would pile up here while idle workers could run them.
"""

import math
from collections.abc import Sequence
from typing import Final

import trio

from .inflight import InFlight
from .poller import Poll, Poller
from .task_durations import TaskDurations

LEAD_SECONDS: Final = 0.09
"""Work below which more is asked for: the time from a receive to the claim's answer, slow ones included."""
MOST_CHUNKS: Final = 300
"""Chunks that one worker has in flight at most: its heartbeats renew them in a dozen calls."""
ENOUGH_SECONDS: Final = 5.0
"""Work from which on messages that a waiting long poll returns are given back: other workers may be idle."""
_LONGEST_ESTIMATE_SECONDS: Final = 5.0
"""How long an estimate from average durations is relied on; a slot that finds no task reports it at once."""
_SHORTEST_WAIT_SECONDS: Final = 0.002


class Prefetch:
    """Estimates from the chunks in flight, the receives under way and the durations of tasks."""

    def __init__(self, inflight: InFlight, durations: TaskDurations, pollers: Sequence[Poller]) -> None:
        """``pollers`` are all queues of the worker."""
        self._inflight = inflight
        self._durations = durations
        self._pollers = pollers
        self._tasks_a_chunk = 1.0
        self._chunks_seen = 0

    def add_chunk(self, tasks: int) -> None:
        """Note the number of tasks of a chunk that was received."""
        # The mean of the first ten, so that a worker does not begin by prefetching too many long chunks; then a moving
        # average.
        self._chunks_seen = min(10, self._chunks_seen + 1)
        self._tasks_a_chunk += (tasks - self._tasks_a_chunk) / self._chunks_seen

    def wanted(self, poller: Poller, now: float) -> int:
        """Return how many more messages to ask a queue for; 0 or less for none."""
        requested = self._requested(poller, now)
        room = MOST_CHUNKS - len(self._inflight) - requested
        durations, queued = self._durations, self._queued_tasks(requested)
        if durations.average is None:
            # How long tasks take is not known yet: one chunk for each slot.
            return min(room, durations.slots - durations.running - queued)
        if durations.shortage(queued, LEAD_SECONDS) <= 0:
            return 0
        return min(room, math.ceil(durations.shortage(queued, 2 * LEAD_SECONDS) / self._tasks_a_chunk))

    def idle_seconds(self, pollers: Sequence[Poller], now: float) -> float:
        """Return for how long nothing will be wanted of these queues, unless something changes."""
        waits = [wait for other in self._pollers if (wait := other.expected_for(now)) is not None]
        for poller in pollers:
            if self._durations.average is None:
                waits.append(_LONGEST_ESTIMATE_SECONDS)
            else:
                queued = self._queued_tasks(self._requested(poller, now))
                waits.append(self._durations.supply(queued) - LEAD_SECONDS)
        return min(_LONGEST_ESTIMATE_SECONDS, max(_SHORTEST_WAIT_SECONDS, min(waits)))

    def is_surplus(self, poll: Poll) -> bool:
        """Whether other workers should run what a long poll returned.

        No slot can run anything meanwhile, or the other queue gave enough work.
        """
        if not self._durations.slots:
            return True
        if len(self._pollers) == 1 or poll.is_expected(trio.current_time()):
            return False
        durations, queued = self._durations, self._queued_tasks(0)
        if durations.average is None:
            return queued + durations.running >= durations.slots
        return durations.supply(queued) > ENOUGH_SECONDS

    def _requested(self, poller: Poller, now: float) -> int:
        """Return how many messages were asked for, as far as it matters for one more poll of that queue."""
        return poller.requested + sum(other.expected(now) for other in self._pollers if other is not poller)

    def _queued_tasks(self, requested: int) -> int:
        """Return how many tasks wait for a slot, with those of ``requested`` messages."""
        return round(self._inflight.queued + requested * self._tasks_a_chunk)
