"""Services in memory whose calls a test can get in the way of, and the ways in which AWS's own calls go wrong."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

from cloudkon.errors import Unavailable
from cloudkon.memory import MemoryLedger, MemoryQueue, MemoryStore
from cloudkon.model import ChunkKey, ChunkRecord, Delivery, Depth, Outgoing, Run
from cloudkon.ports import Page, QueueOutcome, StoredObject, SummaryPage, Write, WriteOutcome

Call = Callable[..., Awaitable[Any]]
Around = Callable[..., Awaitable[Any]]
"""Called with the call itself and its arguments in its place; gives the answer."""


class Meddled:
    """``around["send"] = f`` puts ``f(call, *arguments)`` in the place of ``send``; ``calls`` counts them."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.around: dict[str, Around] = {}
        self.calls: Counter[str] = Counter()

    async def _call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401  (any port's answer)
        self.calls[name] += 1
        call: Call = getattr(self.inner, name)
        around = self.around.get(name)
        return await (around(call, *arguments) if around else call(*arguments))


class MeddledQueue(Meddled):
    """A queue."""

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        outcomes: list[QueueOutcome] = await self._call("send", messages)
        return outcomes

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        deliveries: list[Delivery] = await self._call("receive", limit, wait, visibility)
        return deliveries

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        outcomes: list[QueueOutcome] = await self._call("delete", deliveries)
        return outcomes

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        outcomes: list[QueueOutcome] = await self._call("set_visibility", deliveries, seconds)
        return outcomes

    async def depth(self) -> Depth:
        depth: Depth = await self._call("depth")
        return depth

    async def purge(self) -> None:
        await self._call("purge")

    def show_all(self) -> None:
        """Give all messages once more, hidden or not, as SQS now and then does."""
        assert isinstance(self.inner, MemoryQueue)
        for message in self.inner._messages.values():
            self.inner._show(message)


class MeddledLedger(Meddled):
    """A ledger."""

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        outcomes: list[WriteOutcome] = await self._call("write", writes)
        return outcomes

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        records: list[ChunkRecord | None] = await self._call("read", keys)
        return records

    async def create_run(self, run: Run) -> Run:
        found: Run = await self._call("create_run", run)
        return found

    async def read_run(self, run_id: str) -> Run | None:
        found: Run | None = await self._call("read_run", run_id)
        return found

    async def cancel_run(self, run_id: str) -> bool:
        found: bool = await self._call("cancel_run", run_id)
        return found

    def runs(self) -> AsyncGenerator[Run, None]:
        assert isinstance(self.inner, MemoryLedger)
        return self.inner.runs()

    def records(self, run: Run) -> AsyncGenerator[ChunkRecord, None]:
        assert isinstance(self.inner, MemoryLedger)
        return self.inner.records(run)

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        page: Page = await self._call("page", run, shard, first)
        return page

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        page: SummaryPage = await self._call("summaries", run, shard, first)
        return page


class MeddledStore(Meddled):
    """A store."""

    def address(self, key: str) -> str:
        assert isinstance(self.inner, MemoryStore)
        return self.inner.address(key)

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
        stored: StoredObject = await self._call("put", key, source, media_type, facts)
        return stored

    async def get(self, address: str, destination: Path) -> StoredObject:
        stored: StoredObject = await self._call("get", address, destination)
        return stored

    async def head(self, address: str) -> StoredObject:
        stored: StoredObject = await self._call("head", address)
        return stored

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        assert isinstance(self.inner, MemoryStore)
        return self.inner.list(prefix)

    async def delete(self, keys: Sequence[str]) -> None:
        await self._call("delete", keys)


class Fate(Enum):
    """How a call, or one entry of a batch, goes."""

    WELL = "well"
    LOST = "lost"
    """It fails, and takes no effect."""
    UNHEARD = "unheard"
    """It takes effect, and the answer says that it failed."""


Fates = Callable[[str], Fate]
"""Says how a call (``whole``) or an entry (``entry``) goes."""


def by_chance(rng: Random, rate: float) -> Fates:
    """One in ``1 / rate`` goes wrong, one way or the other."""

    def fate(_: str) -> Fate:
        return rng.choice([Fate.LOST, Fate.UNHEARD]) if rng.random() < rate else Fate.WELL

    return fate


def in_turn(*fates: Fate, of: str = "entry") -> Fates:
    """These one after the other for calls or for entries, and then all is well."""
    left = list(fates)
    return lambda kind: left.pop(0) if kind == of and left else Fate.WELL


def unkind(fates: Fates, failed: object) -> Around:
    """Let a batch call go as the fates say; an entry that goes wrong answers ``failed``."""

    async def around(call: Call, entries: Sequence[Any], *more: Sequence[Any]) -> list[Any]:
        whole = fates("whole")
        if whole is Fate.LOST:
            raise Unavailable("the call never arrived")
        each = [fates("entry") for _ in entries]
        taken = [position for position, fate in enumerate(each) if fate is not Fate.LOST]
        answers = await call([entries[at] for at in taken], *([column[at] for at in taken] for column in more))
        outcomes = [failed] * len(entries)
        for at, answer in zip(taken, answers, strict=True):
            outcomes[at] = answer if each[at] is Fate.WELL else failed
        if whole is Fate.UNHEARD:
            raise Unavailable("the answer was lost")
        return outcomes

    return around


def unheard(fates: Fates) -> Around:
    """Let a call without entries go as the fates say: raise before it or after it."""

    async def around(call: Call, *arguments: object) -> Any:  # noqa: ANN401  (any port's answer)
        fate = fates("whole")
        if fate is Fate.LOST:
            raise Unavailable("the call never arrived")
        answer = await call(*arguments)
        if fate is Fate.UNHEARD:
            raise Unavailable("the answer was lost")
        return answer

    return around
