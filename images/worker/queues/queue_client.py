"""Mailbox: the worker's calls to its queues, ten entries at a time, every failed entry tried again."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import trio

from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.model import Delivery, Outgoing
from cloudkon.ports import BATCH, Queue, QueueOutcome
from cloudkon.ports.batch import batched

from .pool_queues import PoolQueues

T = TypeVar("T")
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 10.0
_TRIES = 5
"""For what may be left undone: a message that is not deleted comes again and meets DONE."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that can't be read, and why."""

    delivery: Delivery
    reason: str


class QueueClient:
    """One pool's queues and dead-letter queue, and the fleet's result queue, as one worker uses them."""

    def __init__(self, queues: PoolQueues, dead_letters: Queue, results: Queue, rng: random.Random, log: Log) -> None:
        """Everything passed in."""
        self._queues = queues
        self._dead_letters = dead_letters
        self._results = results
        self._rng = rng
        self._log = log

    async def publish(self, reports: Sequence[str]) -> None:
        """Put reports on the result queue; tries until every one is there."""
        await self._insist("publish", self._results.send, [Outgoing(report) for report in reports])

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Take messages off their queue; gives up after some tries, for they come again and do no harm."""
        await self._insist("delete", self._queues.delete, deliveries, _TRIES)

    async def give_back(self, deliveries: Sequence[Delivery], seconds: float = 0.0) -> None:
        """Let others have the messages, now or in so many seconds; else they come back when they would anyway."""
        at = trio.current_time() + seconds

        async def reveal(some: Sequence[Delivery]) -> list[QueueOutcome]:
            # What is left of the wait: a try after failed ones must not prolong it.
            left = max(0.0, at - trio.current_time())
            return await self._queues.set_visibility(some, [left] * len(some))

        await self._insist("give-back", reveal, deliveries, _TRIES)

    async def hide(self, deliveries: Sequence[Delivery], seconds: float) -> list[QueueOutcome]:
        """Keep messages hidden for so long from now; one try, an outcome for each."""
        outcomes: list[QueueOutcome] = []
        for some in batched(deliveries, BATCH):
            try:
                outcomes += await self._queues.set_visibility(some, [seconds] * len(some))
            except CloudKonError as error:
                self._log.warning("hide-failed", error=str(error), messages=len(some))
                outcomes += [QueueOutcome.FAILED] * len(some)
        return outcomes

    async def reject(self, rejections: Sequence[Rejection]) -> None:
        """Copy messages to the dead-letter queue with the reason, and only then delete them."""
        copies = [Outgoing(one.delivery.body, {"reason": one.reason[:1000]}) for one in rejections]
        await self._insist("reject", self._dead_letters.send, copies)
        await self.delete([one.delivery for one in rejections])

    async def _insist(
        self,
        action: str,
        call: Callable[[Sequence[T]], Awaitable[list[QueueOutcome]]],
        entries: Sequence[T],
        tries: float = float("inf"),
    ) -> None:
        """Call with up to ten entries at a time, and again with those that failed, backing off."""
        left = list(entries)
        tried = 0
        while left:
            failed: list[T] = []
            for some in batched(left, BATCH):
                try:
                    outcomes = await call(some)
                except CloudKonError as error:
                    self._log.warning(f"{action}-failed", error=str(error), messages=len(some))
                    outcomes = [QueueOutcome.FAILED] * len(some)
                pairs = zip(some, outcomes, strict=True)
                failed += [entry for entry, outcome in pairs if outcome is QueueOutcome.FAILED]
            left = failed
            tried += 1
            if left:
                if tried >= tries:
                    self._log.warning(f"{action}-given-up", messages=len(left))
                    return
                await trio.sleep(self._rng.uniform(0, min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**tried)))
