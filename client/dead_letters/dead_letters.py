"""Reads, redrives and drops dead letters: messages that no worker could process.

Each letter is compared with its chunk's record in the ledger. SQS hides a message from others when it is read, so the
letters that are only read are made visible again at the end.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import CloudKonError, MalformedMessage
from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Delivery, Outgoing, PayloadRef, Priority
from cloudkon.ports import BATCH, Queue, Services
from cloudkon.ports.batch import batched
from cloudkon.wire.message import chunk_digest
from cloudkon.wire.payload import read_message

from ..push.sending import send_messages

HIDDEN_SECONDS = 120.0
"""How long a dead letter is hidden from others while it is read."""
_WAIT_SECONDS = 1.0
"""How long a receive waits. Without a wait SQS asks only some of its servers and may miss messages."""
_RELEASE_SECONDS = 5.0
_FEWEST_ID_CHARACTERS = 4
"""The shortest beginning of a message's id that names it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter: ``chunk`` is ``None`` if it can't be read, ``record`` if the ledger has no record of it."""

    pool: str
    delivery: Delivery
    chunk: Chunk | PayloadRef | None
    record: ChunkRecord | None
    reason: str

    @property
    def done(self) -> bool:
        """Whether all its tasks have results, so that the letter is no longer needed."""
        return self._is_recorded and self.record is not None and self.record.state is ChunkState.DONE

    @property
    def _is_recorded(self) -> bool:
        """Whether the ledger's record is that of these tasks: another message with the same key may have run."""
        if self.chunk is None or self.record is None:
            return False
        digest = chunk_digest(self.chunk) if isinstance(self.chunk, Chunk) else ""
        return self.record.is_of(digest, self.chunk.first, len(self.chunk))

    @property
    def state(self) -> str:
        """``unreadable``, or the chunk's state in the ledger: ``done``, ``claimed``, ``open`` or ``other tasks``."""
        if self.chunk is None:
            return "unreadable"
        if self.record is None:
            return "open"
        if not self._is_recorded:
            return "other tasks"
        return "done" if self.done else "claimed"


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Selects dead letters by pool and, unless these are empty, by run and by message ids."""

    pools: Collection[str]
    run: str = ""
    ids: tuple[str, ...] = ()

    def matches(self, letter: DeadLetter) -> bool:
        """Whether the letter is selected. An id may be given by its beginning."""
        run = letter.chunk.key.run if letter.chunk else ""
        named = not self.ids or any(
            len(begin) >= _FEWEST_ID_CHARACTERS and letter.delivery.message_id.startswith(begin) for begin in self.ids
        )
        return named and (not self.run or run == self.run)


@dataclass(slots=True)
class Cleared:
    """Counts of dead letters by what happened to them; ``returned`` ones were sent again and came back at once."""

    redriven: int = 0
    dropped: int = 0
    unreadable: int = 0
    returned: int = 0


async def read_dead_letters(
    services: Services, wanted: LetterFilter, keeps: Callable[[DeadLetter], bool] = lambda _letter: True
) -> AsyncGenerator[list[DeadLetter], None]:
    """Yield the selected dead letters, up to a receive's batch at a time.

    Close the generator: it then releases the letters that are not selected, and those for which ``keeps`` is true
    because the caller does not delete them.
    """
    for pool in wanted.pools:
        queue = services.dead_letters[pool]
        seen: set[str] = set()
        kept: list[Delivery] = []
        try:
            while deliveries := await persist(partial(queue.receive, BATCH, _WAIT_SECONDS, HIDDEN_SECONDS), BRIEF):
                fresh = [one for one in deliveries if one.message_id not in seen]
                if not fresh:
                    # The first letters are visible again and are received a second time: all were read.
                    break
                letters = await _look_up(services, pool, fresh)
                seen |= {one.message_id for one in fresh}
                # Without their bodies: there may be many.
                to_release = [letter.delivery for letter in letters if keeps(letter) or not wanted.matches(letter)]
                kept += [replace(delivery, body="") for delivery in to_release]
                yield [letter for letter in letters if wanted.matches(letter)]
        finally:
            await _release(queue, kept)


async def _look_up(services: Services, pool: str, deliveries: Iterable[Delivery]) -> list[DeadLetter]:
    decoded = [(delivery, *_decode(delivery)) for delivery in deliveries]
    # Two messages with other shard counts can name one item.
    keys = {(chunk.key.partition, chunk.key.number): chunk.key for _, chunk, _ in decoded if chunk}
    found = await persist(partial(services.ledger.read, list(keys.values())), BRIEF)
    records = dict(zip(keys, found, strict=True))
    return [
        DeadLetter(pool, delivery, chunk, records[chunk.key.partition, chunk.key.number] if chunk else None, reason)
        for delivery, chunk, reason in decoded
    ]


def _decode(delivery: Delivery) -> tuple[Chunk | PayloadRef | None, str]:
    reason = delivery.attributes.get("reason", "")
    try:
        return read_message(delivery.body), reason or f"received {delivery.receives} times"
    except MalformedMessage as error:
        return None, reason or str(error)


async def _release(queue: Queue, deliveries: Sequence[Delivery]) -> None:
    """Make the messages visible to others again, also after an interrupt. A failure only hides them longer."""
    with trio.move_on_after(_RELEASE_SECONDS, shield=True), suppress(CloudKonError):
        for some in batched(deliveries, BATCH):
            await queue.set_visibility(some, [0.0] * len(some))


async def redrive(services: Services, wanted: LetterFilter, on_letters: Callable[[int], None]) -> Cleared:
    """Send dead letters to their pools' queues again, and delete those whose chunks are done.

    Unreadable letters stay, and so does a letter whose chunk this call has already sent again: workers still can't
    run it. A letter is deleted only after its copy is on its queue. ``on_letters`` is called with the size of each
    batch.
    """
    cleared = Cleared()
    sent: set[ChunkKey] = set()
    priorities: dict[str, Priority] = {}

    def stays(letter: DeadLetter) -> bool:
        return letter.chunk is None or letter.chunk.key in sent

    async with aclosing(read_dead_letters(services, wanted, stays)) as batches:
        async for letters in batches:
            cleared.unreadable += sum(letter.chunk is None for letter in letters)
            cleared.returned += sum(letter.chunk is not None and letter.chunk.key in sent for letter in letters)
            leaving = [letter for letter in letters if not stays(letter)]
            unfinished = [letter for letter in leaving if not letter.done]
            await _send_again(services, unfinished, priorities)
            await _delete(services, leaving)
            sent |= {letter.chunk.key for letter in unfinished if letter.chunk}
            cleared.redriven += len(unfinished)
            cleared.dropped += len(leaving) - len(unfinished)
            on_letters(len(letters))
    return cleared


async def _send_again(services: Services, letters: Iterable[DeadLetter], priorities: dict[str, Priority]) -> None:
    """Send letters to the queues of their runs' priority; normal if the ledger has lost the run."""
    by_queue: dict[tuple[str, Priority], list[Outgoing]] = {}
    for letter in letters:
        assert letter.chunk
        run_id = letter.chunk.key.run
        if run_id not in priorities:
            # Workers treat a run whose item can't be read in the same way.
            with suppress(MalformedMessage):
                run = await persist(partial(services.ledger.read_run, run_id), BRIEF)
                priorities[run_id] = run.priority if run else Priority.NORMAL
            priorities.setdefault(run_id, Priority.NORMAL)
        by_queue.setdefault((letter.pool, priorities[run_id]), []).append(Outgoing(letter.delivery.body))
    for (pool, priority), bodies in by_queue.items():
        await send_messages(services.queue(pool, priority), bodies, BRIEF)


async def drop(services: Services, wanted: LetterFilter, on_letters: Callable[[int], None]) -> Cleared:
    """Delete dead letters for good; ``on_letters`` is called with the size of each batch."""
    cleared = Cleared()
    async with aclosing(read_dead_letters(services, wanted, lambda _letter: False)) as batches:
        async for letters in batches:
            await _delete(services, letters)
            cleared.dropped += len(letters)
            on_letters(len(letters))
    return cleared


async def _delete(services: Services, letters: Iterable[DeadLetter]) -> None:
    by_pool: dict[str, list[Delivery]] = {}
    for letter in letters:
        by_pool.setdefault(letter.pool, []).append(letter.delivery)
    for pool, deliveries in by_pool.items():
        # A letter that was not deleted is received again, then found done or redriven once more: no harm.
        await persist(partial(services.dead_letters[pool].delete, deliveries), BRIEF)


@dataclass(slots=True)
class LetterList:
    """Some dead letters; ``more`` is true if others exist beyond the limit."""

    letters: list[DeadLetter] = field(default_factory=list)
    more: bool = False


async def list_dead_letters(services: Services, wanted: LetterFilter, limit: int) -> LetterList:
    """Return up to ``limit`` dead letters, and leave them on their queues."""
    found = LetterList()
    async with aclosing(read_dead_letters(services, wanted)) as batches:
        async for letters in batches:
            room = limit - len(found.letters)
            found.letters += letters[:room]
            if len(letters) > room:
                found.more = True
                break
    return found
