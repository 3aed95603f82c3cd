"""Registrar: drives many machines at once, 25 asks a call, backing off while the ledger fails."""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.model import ChunkKey
from cloudkon.ports import Clock, Ledger, Read, Request, Write, WriteOutcome
from cloudkon.ports.batch import batched
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.protocol.claim import Instant
from cloudkon.protocol.state_machine import Answer, StateMachine, Verdict

V = TypeVar("V", bound=Verdict)
_Hear = Callable[[Request, Instant, Answer], None]
FIRST_BACKOFF = 0.05
"""Seconds before the second try at the longest; doubled for each further one, the wait drawn anew each time."""
LONGEST_BACKOFF = 5.0
FAILURE_SECONDS = 2.0
"""Seconds for which a failure is taken to last."""


class LedgerDriver:
    """The one door of a worker to the ledger's chunk records."""

    def __init__(self, ledger: Ledger, clock: Clock, rng: random.Random, log: Log) -> None:
        """All that it needs is passed in, so that a simulation can replace it."""
        self._ledger = ledger
        self._clock = clock
        self._rng = rng
        self._log = log
        self._failed_at = float("-inf")

    @property
    def failing(self) -> bool:
        """Whether a call failed lately, in whole or in part, and none succeeded since.

        While it does, nothing new should be received. It lapses, so that somebody tries whether it works again.
        """
        return self._clock.monotonic() < self._failed_at + FAILURE_SECONDS

    async def run(
        self, machines: Sequence[StateMachine[V]], each: Callable[[V], None], until: float = float("inf")
    ) -> list[ChunkKey]:
        """Drive machines, each of another chunk, to their verdicts; ``each`` gets every verdict as soon as it is there.

        Tries until monotonic time ``until``; gives the keys of those that had no verdict by then.
        """
        unsettled = {machine.key: machine for machine in machines}
        tries = 0
        while unsettled:
            before = len(unsettled)
            failures = await self._round(unsettled, each)
            if self._clock.monotonic() >= until:
                break
            if failures:
                tries = tries + 1 if len(unsettled) == before else 1
                await trio.sleep(self._rng.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**tries)))
        return list(unsettled)

    async def _round(self, unsettled: dict[ChunkKey, StateMachine[V]], each: Callable[[V], None]) -> int:
        """Ask once for every unsettled machine; give how many asks failed."""
        failures = 0

        def hear(ask: Request, asked: Instant, answer: Answer) -> None:
            nonlocal failures
            if answer is WriteOutcome.FAILED:
                failures += 1
                if isinstance(ask, Read):
                    return
            outcome = unsettled[ask.key].on_response(ask, asked, answer)
            if isinstance(outcome, Verdict):
                del unsettled[ask.key]
                each(outcome)
            else:
                unsettled[ask.key] = outcome

        now = Instant.now(self._clock)
        asks = [machine.ask(now) for machine in unsettled.values()]
        # A batch is all reads or all writes.
        reads = [ask for ask in asks if isinstance(ask, Read)]
        writes = [ask for ask in asks if not isinstance(ask, Read)]
        if not reads and len(writes) <= STATEMENTS:
            # Nearly always; a nursery for one call is a sixth of its price.
            await self._write(writes, now, hear)
            return self._note(failures)
        async with trio.open_nursery() as nursery:
            for some_reads in batched(reads, STATEMENTS):
                nursery.start_soon(self._read, some_reads, now, hear)
            for some_writes in batched(writes, STATEMENTS):
                nursery.start_soon(self._write, some_writes, now, hear)
        return self._note(failures)

    def _note(self, failures: int) -> int:
        self._failed_at = self._clock.monotonic() if failures else float("-inf")
        return failures

    async def _read(self, asks: Sequence[Read], asked: Instant, hear: _Hear) -> None:
        answers: Sequence[Answer]
        try:
            answers = await self._ledger.read([ask.key for ask in asks])
        except CloudKonError as error:
            answers = self._all_failed(asks, error)
        for ask, answer in zip(asks, answers, strict=True):
            hear(ask, asked, answer)

    async def _write(self, asks: Sequence[Write], asked: Instant, hear: _Hear) -> None:
        answers: Sequence[Answer]
        try:
            answers = await self._ledger.write(asks)
        except CloudKonError as error:
            answers = self._all_failed(asks, error)
        for ask, answer in zip(asks, answers, strict=True):
            hear(ask, asked, answer)

    def _all_failed(self, asks: Sequence[Request], error: CloudKonError) -> list[Answer]:
        # Whatever the error says, only a refused condition may mean "someone else": this is tried again.
        self._log.warning("ledger-failed", error=str(error), chunks=len(asks))
        return [WriteOutcome.FAILED] * len(asks)
