"""Sends a run's batches to its queues in parallel, and tracks which messages are known to be sent."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import trio

from cloudkon.backoff import PATIENT, Backoff, persist
from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.model import Outgoing
from cloudkon.ports import Queue, QueueOutcome, Store

from .batches import Batch

SENDERS = 16
"""Batches that are sent at the same time. With boto3, more of them cost a core more than they gain."""

PAYLOAD_TYPE = "application/json"


class Watermark:
    """Counts the chunks that are known to be sent, up to the first that is not; batches finish out of order."""

    def __init__(self, sent: int) -> None:
        """Start with all chunks before number ``sent``, which were sent earlier."""
        self.sent = sent
        self._ahead: dict[int, int] = {}

    def add(self, first: int, end: int) -> None:
        """Record that the chunks ``first`` … ``end - 1`` were sent."""
        self._ahead[first] = end
        while self.sent in self._ahead:
            self.sent = self._ahead.pop(self.sent)


async def send_messages(queue: Queue, messages: Sequence[Outgoing], backoff: Backoff = PATIENT) -> None:
    """Send a batch until the queue has accepted every message, some perhaps twice. Raises the queue's last error."""
    left = list(messages)

    async def send_rest() -> None:
        nonlocal left
        outcomes = await queue.send(left)
        left = [message for message, outcome in zip(left, outcomes, strict=True) if outcome is not QueueOutcome.DONE]
        if left:
            raise Unavailable(f"the queue refused {len(left)} of {len(messages)} messages of a batch")

    await persist(send_rest, backoff)


async def send_batches(
    queues: Mapping[str, Queue],
    store: Store,
    batches: Iterable[Batch],
    watermark: Watermark,
    on_sent: Callable[[int], None],
) -> None:
    """Send all batches; each batch's payloads are stored before its messages are sent.

    ``on_sent`` is called after each batch, when the watermark counts it, with the number of its messages.

    Raises the error of the first batch that could not be sent, after all sending has stopped.
    """
    failures: list[CloudKonError] = []
    to_send, queued = trio.open_memory_channel[Batch](0)

    async def send_some(scope: trio.CancelScope) -> None:
        async for batch in queued:
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
        async with to_send:
            for batch in batches:
                await to_send.send(batch)
    queued.close()
    if failures:
        raise failures[0]
