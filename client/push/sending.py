"""Sending: a run's messages onto its queues, many at a time, knowing all along what has certainly arrived."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import trio

from cloudkon.backoff import PATIENT, Backoff, persist
from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.model import Outgoing
from cloudkon.ports import Queue, QueueOutcome, Store

from .batches import Batch

SENDERS = 16
"""Batches on their way at a time: with boto3 more of them cost a core more than they bring (pipeline notes)."""

PAYLOAD_TYPE = "application/json"


class Watermark:
    """How many chunks are known sent, counted up to the first that is not; batches come in out of order."""

    def __init__(self, sent: int) -> None:
        """All chunks before number ``sent`` were sent earlier."""
        self.sent = sent
        self._ahead: dict[int, int] = {}

    def add(self, first: int, end: int) -> None:
        """The chunks ``first`` … ``end - 1`` were sent."""
        self._ahead[first] = end
        while self.sent in self._ahead:
            self.sent = self._ahead.pop(self.sent)


async def send_messages(queue: Queue, messages: Sequence[Outgoing], backoff: Backoff = PATIENT) -> None:
    """Send a batch until every message is taken, some perhaps twice. Raises what the queue raises at last."""
    left = list(messages)

    async def send_rest() -> None:
        nonlocal left
        outcomes = await queue.send(left)
        left = [message for message, outcome in zip(left, outcomes, strict=True) if outcome is not QueueOutcome.DONE]
        if left:
            raise Unavailable(f"the queue refuses {len(left)} of {len(messages)} messages of a batch")

    await persist(send_rest, backoff)


async def send_batches(
    queues: Mapping[str, Queue],
    store: Store,
    batches: Iterable[Batch],
    watermark: Watermark,
    on_sent: Callable[[int], None],
) -> None:
    """Send all batches, their payloads to the store first.

    ``on_sent`` is told of each how many messages it had, when the watermark counts it.

    Raises what the first batch that could not be sent raised, with no batch on its way any more.
    """
    failures: list[CloudKonError] = []
    give, take = trio.open_memory_channel[Batch](0)

    async def send_some(scope: trio.CancelScope) -> None:
        async for batch in take:
            try:
                for key, payload in batch.payloads.items():
                    await persist(partial(store.put, key, payload, PAYLOAD_TYPE, {}), PATIENT)
                await send_messages(queues[batch.pool], batch.messages)
            except CloudKonError as error:
                failures.append(error)
                scope.cancel()
                return
            watermark.add(batch.first, batch.end)
            on_sent(len(batch.messages))

    async with trio.open_nursery() as nursery:
        for _ in range(SENDERS):
            nursery.start_soon(send_some, nursery.cancel_scope)
        async with give:
            for batch in batches:
                await give.send(batch)
    take.close()
    if failures:
        raise failures[0]
