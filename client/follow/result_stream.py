"""Yields a run's results as they come, each once, for few requests.

Every result comes from the ledger. Reports on the result queue say quickly which chunks to read there; but other
clients may receive them, other runs' reports may be in the way, and anybody who can send a message can write one. So
the stream listens to the queue all the time, and reads the chunks that were reported, ``STATEMENTS`` in a request. If
fewer were reported, it waits for more, but no longer than a hundredth of the time that was waited so far, or half a
second: so a single task's result is read at once. Besides, it reads the whole run, a request a shard, less and less
often: each time the waiting has become a tenth longer. That makes some hundred readings in an hour, and without any
report no result comes more than a tenth of the waiting too late.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from cloudkon.backoff import persist
from cloudkon.model import ChunkState, Result, Run
from cloudkon.ports import Clock, Services, TrioClock
from cloudkon.ports.ledger import STATEMENTS

from ..dead_letters.dead_letters import DeadLetter
from ..records.run_records import ItemsUnreadable, read_chunks
from .progress_sampler import ProgressSampler
from .report_listener import ReportListener
from .run_completion import RunCompletion
from .stranded import RunStranded, missing_text
from .wait import LONGEST_WAIT, PATIENT_WITH_LEDGER, RECORDS_PER_SECOND

LOG = logging.getLogger("cloudkon")
SHORTEST_WAIT = 0.1
"""Seconds between two readings of the ledger, for a run of few chunks that has just begun."""
WAIT_SHARE = 0.1
"""The next reading of the ledger comes after this share of the time that was waited so far."""
HINT_SHARE, LONGEST_HINT_WAIT = 0.01, 0.5
"""The next reading of few reported chunks comes after this share of the time that was waited so far, and after this
many seconds at the latest."""


@dataclass(slots=True)
class ResultStream:
    """The results of one run that ``more`` has not returned yet. One reader at a time."""

    services: Services
    run: Run
    clock: Clock = field(default_factory=TrioClock)
    _sampler: ProgressSampler = field(init=False)
    _listener: ReportListener = field(init=False)
    _completion: RunCompletion = field(init=False)
    _seen: bytearray = field(init=False)
    _ready: list[Result] = field(default_factory=list)
    _left: int = field(init=False)
    _began: float | None = None
    _reading_began: float = float("-inf")
    _next_reading: float = float("-inf")
    _hints: dict[int, None] = field(default_factory=dict)
    """The chunks that were reported and not read since, in the order of their reports."""
    _next_hints: float = float("-inf")

    def __post_init__(self) -> None:
        """Start with no result seen."""
        self._sampler = ProgressSampler(self.run, self._add)
        self._listener = ReportListener(self.services.results, self.run, self._note_hint)
        self._completion = RunCompletion(self.services, self.run, self._raise_stranded, self._warn_missing)
        # A byte a task: a million tasks take a megabyte.
        self._seen = bytearray(self.run.count)
        self._left = self.run.count

    async def more(self) -> list[Result]:
        """Return the next results as soon as there are any; an empty list once the run is over.

        A run that was cancelled before all of it was sent has no results for the rest. Raises ``RunStranded`` when all
        missing tasks have been in dead-letter queues for a minute, and what the services raise; failures that pass
        within minutes are waited out.
        """
        while self._left and not self._ready:
            now = self.clock.monotonic()
            if len(self._hints) >= STATEMENTS or (self._hints and now >= self._next_hints):
                await self._read_hinted(now)
            elif self._sampler.due(self._reading_began):
                await self._read_page()
            elif now < self._next_reading:
                await self._listen(now)
            elif self._began is not None and await self._completion.is_abandoned(counts := self._sampler.counts(), now):
                if counts.unknown:
                    raise ItemsUnreadable(self.run, counts.faults)
                break
            else:
                self._began = now if self._began is None else self._began
                self._reading_began = now
        results, self._ready = self._ready, []
        return results

    async def _read_page(self) -> None:
        began = self._reading_began
        await persist(
            lambda: self._sampler.read(self.services.ledger, 1, self.clock.wall(), began), PATIENT_WITH_LEDGER
        )
        if not self._sampler.due(began):
            self._next_reading = self.clock.monotonic() + self._wait(began)

    async def _listen(self, now: float) -> None:
        """Listen until there are enough hints for a reading, or until the next reading is due."""
        until = min(self._next_reading, self._next_hints) if self._hints else self._next_reading
        await self._listener.listen(until - now, enough=STATEMENTS - len(self._hints) if self._hints else 1)

    async def _read_hinted(self, now: float) -> None:
        """Read the chunks that were reported first. What the ledger does not have as done was no true report."""
        assert self._began is not None
        numbers = list(islice(self._hints, STATEMENTS))
        records = await read_chunks(self.services.ledger, self.run, numbers, PATIENT_WITH_LEDGER)
        for number, record in zip(numbers, records, strict=True):
            del self._hints[number]
            if record and record.state is ChunkState.DONE:
                for result in record.progress.results:
                    self._add(result)
            elif place := self.run.place(number):
                self._listener.forget(range(place.first, place.first + place.tasks))
        self._next_hints = self.clock.monotonic() + min(LONGEST_HINT_WAIT, HINT_SHARE * (now - self._began))

    def _wait(self, now: float) -> float:
        """Return the seconds until the next reading."""
        assert self._began is not None
        shortest = max(SHORTEST_WAIT, self.run.chunk_count / RECORDS_PER_SECOND)
        return min(LONGEST_WAIT, max(shortest, WAIT_SHARE * (now - self._began)))

    def _note_hint(self, seq: int) -> None:
        """Note that a task was reported as ended."""
        if not self._seen[seq]:
            self._hints[self.run.chunk_of(seq)] = None

    def _add(self, result: Result) -> None:
        """Make a result ready to be returned, unless it was before."""
        if not self._seen[result.task.seq]:
            self._seen[result.task.seq] = 1
            self._left -= 1
            self._ready.append(result)

    def _raise_stranded(self, letters: Sequence[DeadLetter]) -> None:
        raise RunStranded(self.run, letters)

    def _warn_missing(self, tasks: int) -> None:
        LOG.warning(missing_text(self.run, tasks))
