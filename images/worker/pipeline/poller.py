"""Door: one of the two queues that a worker receives from, and what its polls have brought lately."""

from dataclasses import dataclass, field

from cloudkon.model import Priority
from cloudkon.ports import Queue

HOPE = 0.1
"""Seconds for which a poll of a queue that flows is counted on: a receive takes 15 ms, and its slowest 50."""
MOST_POLLS = 4
"""Receives under way at a time at one door; one long poll gives 10 messages each 10 to 20 ms, a core runs more."""


@dataclass(eq=False, slots=True)
class Poll:
    """A receive that is under way: for how many messages, and since when, in monotonic seconds.

    ``listens`` tells that its queue gave nothing the last time.
    """

    limit: int
    began: float
    listens: bool

    def counted_on(self, now: float) -> bool:
        """Whether it will soon bring something, by all that is known."""
        return not self.listens and now < self.began + HOPE


@dataclass(eq=False, slots=True)
class Poller:
    """One queue of the worker's pool.

    ``empty`` counts empty answers in a row, ``fruitless`` polls in a row that failed or brought only what newer workers
    must run, ``resting`` those that pause before they end. ``missing`` tells that there is no such queue: fleets of
    before there were two have none of high priority.
    """

    queue: Queue
    priority: Priority
    empty: int = 0
    fruitless: int = 0
    resting: int = 0
    missing: bool = False
    _polls: list[Poll] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether one more poll is of use: one waits at a queue that gave nothing, several where messages flow."""
        return not self.resting and len(self._polls) < (1 if self.empty else MOST_POLLS)

    @property
    def polled(self) -> bool:
        """Whether a poll is under way."""
        return bool(self._polls)

    @property
    def asked(self) -> int:
        """How many messages its polls asked for."""
        return sum(poll.limit for poll in self._polls)

    def promises(self, now: float) -> int:
        """How many of them may be counted on: not those of a poll that seems to wait at an empty queue."""
        return sum(poll.limit for poll in self._polls if poll.counted_on(now))

    def hope_ends(self, now: float) -> float | None:
        """In how many seconds it will promise less than now."""
        return min((poll.began + HOPE - now for poll in self._polls if poll.counted_on(now)), default=None)

    def begin(self, limit: int, now: float) -> Poll:
        """A poll begins."""
        poll = Poll(limit, now, listens=self.empty > 0)
        self._polls.append(poll)
        return poll

    def end(self, poll: Poll) -> None:
        """It has ended, with its pause if it made one."""
        self._polls.remove(poll)
