"""Dead letters: messages that no worker could take, looked at beside the ledger's truth about their chunks.

SQS lets nobody read a message without hiding it: what is looked at is hidden for a while and given back.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import CloudKonError, MalformedMessage
from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Delivery, Outgoing, PayloadRef, Priority
from cloudkon.ports import BATCH, Queue, Services
from cloudkon.ports.batch import batched
from cloudkon.wire.payload import read_message

from ..push.sending import send_messages

HIDDEN = 120.0
"""Seconds for which a dead letter is hidden from others while it is looked at."""
_WAIT = 1.0
"""Seconds that a receive waits: without, SQS asks some of its servers only and may miss what is there."""
_GIVE_BACK_SECONDS = 5.0
_FEWEST = 4
"""Characters of a message's id that name it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter: ``chunk`` is ``None`` where it can't be read, ``record`` where the ledger has none."""

    pool: str
    delivery: Delivery
    chunk: Chunk | PayloadRef | None
    record: ChunkRecord | None
    reason: str

    @property
    def done(self) -> bool:
        """Whether every task of it has its result, so that it is needed no more."""
        return self.record is not None and self.record.state is ChunkState.DONE

    @property
    def state(self) -> str:
        """``done``, ``claimed`` or ``open`` by the ledger, ``unreadable`` where nobody can ask it."""
        if self.chunk is None:
            return "unreadable"
        if self.record is None:
            return "open"
        return "done" if self.done else "claimed"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant: those of these pools and, unless empty, of this run and with these ids."""

    pools: Collection[str]
    run: str = ""
    ids: tuple[str, ...] = ()

    def means(self, letter: DeadLetter) -> bool:
        """Whether it is one of them. An id may be given by its beginning."""
        run = letter.chunk.key.run if letter.chunk else ""
        named = not self.ids or any(
            len(one) >= _FEWEST and letter.delivery.message_id.startswith(one) for one in self.ids
        )
        return named and (not self.run or run == self.run)


@dataclass(slots=True)
class Cleared:
    """What became of dead letters, counts of messages; ``returned`` were sent again and came back at once."""

    redriven: int = 0
    dropped: int = 0
    unreadable: int = 0
    returned: int = 0


async def dead_letters(
    services: Services, choice: Choice, keeps: Callable[[DeadLetter], bool] = lambda _letter: True
) -> AsyncGenerator[list[DeadLetter], None]:
    """The dead letters that are meant, some at a time.

    To be closed: then those are given back that are not meant, and those that ``keeps`` says will not be deleted.
    """
    for pool in choice.pools:
        queue = services.dead_letters[pool]
        seen: set[str] = set()
        kept: list[Delivery] = []
        try:
            while deliveries := await persist(partial(queue.receive, BATCH, _WAIT, HIDDEN), BRIEF):
                fresh = [one for one in deliveries if one.message_id not in seen]
                if not fresh:
                    # What was looked at first comes again: all were seen.
                    break
                letters = await _look_up(services, pool, fresh)
                seen |= {one.message_id for one in fresh}
                # Without their bodies: there may be many.
                held = [letter.delivery for letter in letters if keeps(letter) or not choice.means(letter)]
                kept += [replace(delivery, body="") for delivery in held]
                yield [letter for letter in letters if choice.means(letter)]
        finally:
            await _give_back(queue, kept)


async def _look_up(services: Services, pool: str, deliveries: Iterable[Delivery]) -> list[DeadLetter]:
    read = [(delivery, *_decode(delivery)) for delivery in deliveries]
    keys = list(dict.fromkeys(chunk.key for _, chunk, _ in read if chunk))
    records: Mapping[object, ChunkRecord | None] = dict(
        zip(keys, await persist(partial(services.ledger.read, keys), BRIEF), strict=True)
    )
    return [
        DeadLetter(pool, delivery, chunk, records[chunk.key] if chunk else None, reason)
        for delivery, chunk, reason in read
    ]


def _decode(delivery: Delivery) -> tuple[Chunk | PayloadRef | None, str]:
    said = delivery.attributes.get("reason", "")
    try:
        return read_message(delivery.body), said or f"received {delivery.receives} times"
    except MalformedMessage as error:
        return None, said or str(error)


async def _give_back(queue: Queue, deliveries: Sequence[Delivery]) -> None:
    """Let others see them, also when interrupted. A failure only hides them for longer."""
    with trio.move_on_after(_GIVE_BACK_SECONDS, shield=True), suppress(CloudKonError):
        for some in batched(deliveries, BATCH):
            await queue.set_visibility(some, [0.0] * len(some))


async def redrive(services: Services, choice: Choice, on_letters: Callable[[int], None]) -> Cleared:
    """Send dead letters to their pools' queues again, and drop those whose chunks are done.

    One that can't be read stays, and so does one of a chunk that was sent again by this very call: workers still can't
    take it. A message is deleted only after its copy is on its queue.
    """
    cleared = Cleared()
    sent: set[ChunkKey] = set()
    priorities: dict[str, Priority] = {}

    def stays(letter: DeadLetter) -> bool:
        return letter.chunk is None or letter.chunk.key in sent

    async with aclosing(dead_letters(services, choice, stays)) as batches:
        async for letters in batches:
            cleared.unreadable += sum(letter.chunk is None for letter in letters)
            cleared.returned += sum(letter.chunk is not None and letter.chunk.key in sent for letter in letters)
            going = [letter for letter in letters if not stays(letter)]
            again = [letter for letter in going if not letter.done]
            await _send_again(services, again, priorities)
            await _delete(services, going)
            sent |= {letter.chunk.key for letter in again if letter.chunk}
            cleared.redriven += len(again)
            cleared.dropped += len(going) - len(again)
            on_letters(len(letters))
    return cleared


async def _send_again(services: Services, letters: Iterable[DeadLetter], priorities: dict[str, Priority]) -> None:
    """Put letters on the queues that their runs' messages went to; a run that the ledger has lost counts as normal."""
    by_queue: dict[tuple[str, Priority], list[Outgoing]] = {}
    for letter in letters:
        assert letter.chunk
        run_id = letter.chunk.key.run
        if run_id not in priorities:
            run = await persist(partial(services.ledger.read_run, run_id), BRIEF)
            priorities[run_id] = run.priority if run else Priority.NORMAL
        by_queue.setdefault((letter.pool, priorities[run_id]), []).append(Outgoing(letter.delivery.body))
    for (pool, priority), bodies in by_queue.items():
        await send_messages(services.queue(pool, priority), bodies, BRIEF)


async def drop(services: Services, choice: Choice, on_letters: Callable[[int], None]) -> Cleared:
    """Delete dead letters for good."""
    cleared = Cleared()
    async with aclosing(dead_letters(services, choice, lambda _letter: False)) as batches:
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
        # One that was not deleted comes again, to be found done, or redriven once more: no harm.
        await persist(partial(services.dead_letters[pool].delete, deliveries), BRIEF)


@dataclass(slots=True)
class Listed:
    """Dead letters of a listing; ``more`` tells whether there were others beyond the limit."""

    letters: list[DeadLetter] = field(default_factory=list)
    more: bool = False


async def listed(services: Services, choice: Choice, limit: int) -> Listed:
    """Look at up to ``limit`` dead letters, and give them back."""
    found = Listed()
    async with aclosing(dead_letters(services, choice)) as batches:
        async for letters in batches:
            room = limit - len(found.letters)
            found.letters += letters[:room]
            if len(letters) > room:
                found.more = True
                break
    return found
