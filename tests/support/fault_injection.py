"""Wraps services in memory so that a test can intercept their calls, and makes calls fail as AWS's do."""

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
"""Called with the intercepted call and its arguments; returns the response."""


class Intercepted:
    """Replaces calls and counts them: ``around["send"] = f`` runs ``f(call, *arguments)`` instead of ``send``."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.around: dict[str, Around] = {}
        self.calls: Counter[str] = Counter()

    async def _call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401  (any port's answer)
        self.calls[name] += 1
        call: Call = getattr(self.inner, name)
        around = self.around.get(name)
        return await (around(call, *arguments) if around else call(*arguments))


class InterceptedQueue(Intercepted):
    """A queue whose calls can be intercepted."""

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
        """Make all messages visible again, in flight or not, as SQS occasionally does."""
        assert isinstance(self.inner, MemoryQueue)
        for message in self.inner._messages.values():
            self.inner._show(message)


class InterceptedLedger(Intercepted):
    """A ledger whose calls can be intercepted."""

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


class InterceptedStore(Intercepted):
    """A store whose calls can be intercepted."""

    def address(self, key: str) -> str:
        assert isinstance(self.inner, MemoryStore)
        return self.inner.address(key)

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
        stored: StoredObject = await self._call("put", key, source, media_type, facts)
        return stored

    async def get(self, address: str, destination: Path, limit: int | None = None) -> StoredObject:
        stored: StoredObject = await self._call("get", address, destination, limit)
        return stored

    async def head(self, address: str) -> StoredObject:
        stored: StoredObject = await self._call("head", address)
        return stored

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        assert isinstance(self.inner, MemoryStore)
        return self.inner.list(prefix)

    async def delete(self, keys: Sequence[str]) -> None:
        await self._call("delete", keys)


class CallFault(Enum):
    """How a call, or one entry of a batch, fails."""

    NONE = "none"
    REQUEST_LOST = "request lost"
    """It fails and takes no effect."""
    RESPONSE_LOST = "response lost"
    """It takes effect, and the response reports a failure."""


CallFaults = Callable[[str], CallFault]
"""Returns how the next call (``whole``) or entry (``entry``) fails."""


def random_faults(rng: Random, rate: float) -> CallFaults:
    """Fail each call or entry with probability ``rate``, half of them after their effect."""

    def fault(_: str) -> CallFault:
        return rng.choice([CallFault.REQUEST_LOST, CallFault.RESPONSE_LOST]) if rng.random() < rate else CallFault.NONE

    return fault


def fault_sequence(*faults: CallFault, of: str = "entry") -> CallFaults:
    """Return these values one after the other, for calls or for entries; then nothing fails."""
    left = list(faults)
    return lambda kind: left.pop(0) if kind == of and left else CallFault.NONE


def failing_batch(faults: CallFaults, failed: object) -> Around:
    """Make a batch call fail as ``faults`` decides; an entry that fails has the outcome ``failed``."""

    async def around(call: Call, entries: Sequence[Any], *more: Sequence[Any]) -> list[Any]:
        whole = faults("whole")
        if whole is CallFault.REQUEST_LOST:
            raise Unavailable("the call never arrived")
        each = [faults("entry") for _ in entries]
        taken = [position for position, fault in enumerate(each) if fault is not CallFault.REQUEST_LOST]
        answers = await call([entries[at] for at in taken], *([column[at] for at in taken] for column in more))
        outcomes = [failed] * len(entries)
        for at, answer in zip(taken, answers, strict=True):
            outcomes[at] = answer if each[at] is CallFault.NONE else failed
        if whole is CallFault.RESPONSE_LOST:
            raise Unavailable("the response was lost")
        return outcomes

    return around


def failing_call(faults: CallFaults) -> Around:
    """Make a call without entries fail as ``faults`` decides, before its effect or after it."""

    async def around(call: Call, *arguments: object) -> Any:  # noqa: ANN401  (any port's answer)
        fault = faults("whole")
        if fault is CallFault.REQUEST_LOST:
            raise Unavailable("the call never arrived")
        answer = await call(*arguments)
        if fault is CallFault.RESPONSE_LOST:
            raise Unavailable("the response was lost")
        return answer

    return around
