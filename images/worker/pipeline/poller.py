"""Keeps the state of one queue that a worker receives from: its receives under way and what the last ones brought."""

from dataclasses import dataclass, field

from cloudkon.model import Priority

EXPECTED_SECONDS = 0.1
"""How long a receive from a queue with messages is expected to take: usually 15 ms, at the slowest 50."""
MOST_POLLS = 4
"""Receives under way at a time on one queue. One long poll returns 10 messages every 10 to 20 ms; a core runs more."""


@dataclass(eq=False, slots=True)
class Poll:
    """A receive that is under way: for up to ``limit`` messages, since ``began``, in monotonic seconds.

    ``on_empty_queue`` is true if the receive before it returned nothing.
    """

    limit: int
    began: float
    on_empty_queue: bool

    def is_expected(self, now: float) -> bool:
        """Whether it will probably return messages soon."""
        return not self.on_empty_queue and now < self.began + EXPECTED_SECONDS


@dataclass(eq=False, slots=True)
class Poller:
    """One queue of the worker's pool.

    ``empty`` counts empty answers in a row. ``backoffs`` counts receives in a row that failed or returned only messages
    for newer workers. ``pausing`` counts receives that wait before they end. ``missing`` is true if the queue does not
    exist: fleets that were deployed before there were priorities have no high-priority queue.
    """

    priority: Priority
    empty: int = 0
    backoffs: int = 0
    pausing: int = 0
    missing: bool = False
    _polls: list[Poll] = field(default_factory=list)

    @property
    def may_poll(self) -> bool:
        """Whether one more receive is useful: one on an empty queue, several where messages come."""
        return not self.pausing and len(self._polls) < (1 if self.empty else MOST_POLLS)

    @property
    def polling(self) -> bool:
        """Whether a receive is under way."""
        return bool(self._polls)

    @property
    def requested(self) -> int:
        """Number of messages that the receives under way ask for."""
        return sum(poll.limit for poll in self._polls)

    def expected(self, now: float) -> int:
        """Return how many of the requested messages will probably come soon."""
        return sum(poll.limit for poll in self._polls if poll.is_expected(now))

    def expected_for(self, now: float) -> float | None:
        """Return in how many seconds ``expected`` will be less than now; ``None`` if nothing is expected."""
        return min((poll.began + EXPECTED_SECONDS - now for poll in self._polls if poll.is_expected(now)), default=None)

    def begin(self, limit: int, now: float) -> Poll:
        """Add a receive that begins now."""
        poll = Poll(limit, now, on_empty_queue=self.empty > 0)
        self._polls.append(poll)
        return poll

    def end(self, poll: Poll) -> None:
        """Remove a receive that has ended, its pause included."""
        self._polls.remove(poll)
