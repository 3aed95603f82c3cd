"""Makes the worker's calls to its queues, with up to ten entries a call; entries that fail are tried again."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import trio

from cloudkon.backoff import Backoff
from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.model import Delivery, Depth, Outgoing, Priority
from cloudkon.ports import BATCH, Queue, QueueOutcome
from cloudkon.ports.batch import batched

from .pool_queues import PoolQueues

T = TypeVar("T")
_BACKOFF: Final = Backoff(first=0.2, most=10.0, jitter=1.0)
_TRIES: Final = 5
"""Tries of calls that may be left undone: a message that was not deleted comes again, and its chunk is DONE."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that can't be run, and the reason."""

    delivery: Delivery
    reason: str


class QueueClient:
    """One pool's queues and dead-letter queue, and the fleet's result queue, as one worker uses them."""

    def __init__(self, queues: PoolQueues, dead_letters: Queue, results: Queue, rng: random.Random, log: Log) -> None:
        """``rng`` draws the jitter of the waits between tries."""
        self._queues = queues
        self._dead_letters = dead_letters
        self._results = results
        self._rng = rng
        self._log = log

    @property
    def priorities(self) -> tuple[Priority, ...]:
        """The priorities for which the pool has a queue, the high one first."""
        return self._queues.priorities

    async def receive(self, priority: Priority, limit: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """Receive up to ``limit`` messages from one queue, in one try.

        Wait up to ``wait`` seconds for the first one, and hide each for ``visibility`` seconds. Raises
        ``CloudKonError``.
        """
        return await self._queues.receive(priority, limit, wait, visibility)

    async def depth(self) -> Depth:
        """Count the messages on the pool's queues, in one try. Raises ``CloudKonError``."""
        return await self._queues.depth()

    async def publish(self, reports: Sequence[str]) -> None:
        """Send reports to the result queue; tries until all are there. Raises the unexpected error of any of them."""
        for _, error in await self._insist("publish", self._results.send, [Outgoing(report) for report in reports]):
            raise error

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages; gives up after some tries, because a message that comes again does no harm."""
        await self._insist("delete", self._queues.delete, deliveries, _TRIES)

    async def give_back(self, deliveries: Sequence[Delivery], seconds: float = 0.0) -> None:
        """Show messages to other workers in ``seconds``; gives up after some tries, since they come back anyway."""
        at = trio.current_time() + seconds

        async def reveal(some: Sequence[Delivery]) -> list[QueueOutcome]:
            # Only the rest of the wait: failed tries before this one must not prolong it.
            left = max(0.0, at - trio.current_time())
            return await self._queues.set_visibility(some, [left] * len(some))

        await self._insist("give-back", reveal, deliveries, _TRIES)

    async def hide(self, deliveries: Sequence[Delivery], seconds: float) -> list[QueueOutcome]:
        """Hide messages for ``seconds`` from now, in one try; return the outcome of each."""

        async def hide(some: Sequence[Delivery]) -> list[QueueOutcome]:
            return await self._queues.set_visibility(some, [seconds] * len(some))

        outcomes: list[QueueOutcome] = []
        for some in batched(deliveries, BATCH):
            found = await self._call("hide", hide, some)
            outcomes += [QueueOutcome.FAILED if isinstance(one, Exception) else one for one in found]
        return outcomes

    async def reject(self, rejections: Sequence[Rejection]) -> None:
        """Copy messages to the dead-letter queue with the reason, and only then delete them.

        A message whose copy can't be sent stays on its queue.
        """
        copies = [Outgoing(one.delivery.body, {"reason": one.reason[:1000]}) for one in rejections]
        unsent = {id(copy) for copy, _ in await self._insist("reject", self._dead_letters.send, copies)}
        pairs = zip(rejections, copies, strict=True)
        await self.delete([one.delivery for one, copy in pairs if id(copy) not in unsent])

    async def _insist(
        self,
        action: str,
        call: Callable[[Sequence[T]], Awaitable[list[QueueOutcome]]],
        entries: Sequence[T],
        tries: float = float("inf"),
    ) -> list[tuple[T, Exception]]:
        """Call with up to ten entries at a time, and again with those that failed, after a wait that grows.

        Returns the entries with which a call raises an unexpected error, and that error.
        """
        left = list(entries)
        impossible: list[tuple[T, Exception]] = []
        tried = 0
        while left:
            failed: list[T] = []
            for some in batched(left, BATCH):
                for entry, outcome in zip(some, await self._call(action, call, some), strict=True):
                    if isinstance(outcome, Exception):
                        impossible.append((entry, outcome))
                    elif outcome is QueueOutcome.FAILED:
                        failed.append(entry)
            left = failed
            tried += 1
            if left:
                if tried >= tries:
                    self._log.warning(f"{action}-given-up", messages=len(left))
                    break
                await trio.sleep(_BACKOFF.wait(tried, self._rng))
        return impossible

    async def _call(
        self, action: str, call: Callable[[Sequence[T]], Awaitable[list[QueueOutcome]]], entries: Sequence[T]
    ) -> Sequence[QueueOutcome | Exception]:
        """Return the outcome of each entry.

        An unexpected error is the failure of one entry: if a call with several raised it, each is tried alone.
        """
        try:
            return await call(entries)
        except CloudKonError as error:
            self._log.warning(f"{action}-failed", error=str(error), messages=len(entries))
            return [QueueOutcome.FAILED] * len(entries)
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not fail the other entries)
            if len(entries) > 1:
                return [(await self._call(action, call, [entry]))[0] for entry in entries]
            self._log.unexpected(f"{action}-failed", error)
            return [error]
