"""The driver of the state machines: batches of 25, separate reads and writes, backoff while the ledger fails."""

import random
from collections.abc import Callable, Sequence

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import AccessDenied, ServiceError, Unavailable
from cloudkon.log import Log
from cloudkon.memory import MemoryLedger
from cloudkon.model import ChunkKey, ChunkRecord
from cloudkon.ports import Write, WriteOutcome
from cloudkon.protocol import Claimed, Claiming, ClaimVerdict, Held, LedgerDriver, StateMachine, Terms
from cloudkon.protocol.driver import BACKOFF, FAILURE_SECONDS

TERMS = Terms(lease=60_000, margin=5_000)
Verdicts = dict[ChunkKey, ClaimVerdict]


class Clock:
    def wall(self) -> float:
        return 1_800_000_000 + trio.current_time()

    def monotonic(self) -> float:
        return trio.current_time()


class WatchedLedger(MemoryLedger):
    """Records the time and the size of each call. ``fault`` returns an error, an outcome, or ``None`` for no fault."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[float, int]] = []
        self.reads: list[tuple[float, int]] = []
        self.fault: Callable[[int], Exception | WriteOutcome | None] = lambda _: None

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        self.writes.append((trio.current_time(), len(writes)))
        await trio.sleep(0.01)
        outcomes = []
        for position, write in enumerate(writes):
            fault = self.fault(position)
            if isinstance(fault, Exception):
                raise fault
            outcomes.append(fault or (await super().write([write]))[0])
        return outcomes

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        self.reads.append((trio.current_time(), len(keys)))
        if isinstance(fault := self.fault(0), Exception):
            raise fault
        return await super().read(keys)


@pytest.fixture
def ledger() -> WatchedLedger:
    return WatchedLedger()


@pytest.fixture
def driver(ledger: WatchedLedger) -> LedgerDriver:
    return LedgerDriver(ledger, Clock(), random.Random(1), Log("error", descriptor=-1))


def claims(count: int, token: str = "ours") -> list[StateMachine[ClaimVerdict]]:
    return [Claiming(ChunkKey("run", number, 1), 1, token, TERMS) for number in range(count)]


async def run(
    driver: LedgerDriver, machines: Sequence[StateMachine[ClaimVerdict]], until: float = float("inf")
) -> tuple[Verdicts, list[ChunkKey]]:
    verdicts: Verdicts = {}

    def on_verdict(verdict: ClaimVerdict) -> None:
        assert verdict.key not in verdicts
        verdicts[verdict.key] = verdict

    pending = await driver.run(machines, on_verdict, until)
    return verdicts, pending


async def test_sixty_claims_take_three_concurrent_calls(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    verdicts, pending = await run(driver, claims(60))
    assert not pending
    assert len(verdicts) == 60
    assert sorted(ledger.writes) == [(0.0, 10), (0.0, 25), (0.0, 25)]
    assert not ledger.reads


async def test_only_refused_claims_are_read(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    await run(driver, claims(3, "theirs"))
    verdicts, _ = await run(driver, claims(10))
    assert [type(verdicts[ChunkKey("run", number, 1)]) for number in range(4)] == [Held, Held, Held, Claimed]
    assert [count for _, count in ledger.reads] == [3]


async def test_only_failed_requests_of_a_batch_are_repeated(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    ledger.fault = lambda position: WriteOutcome.FAILED if position < 2 and len(ledger.writes) == 1 else None
    verdicts, _ = await run(driver, claims(10))
    assert {type(verdict) for verdict in verdicts.values()} == {Claimed}
    assert [count for _, count in ledger.writes] == [10, 2]
    assert not driver.failing


@pytest.mark.parametrize("fault", [Unavailable("no answer"), AccessDenied("no more")])
async def test_driver_backs_off_and_reports_failing_while_all_calls_fail(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock, fault: Exception
) -> None:
    ledger.fault = lambda _: fault
    verdicts, pending = await run(driver, claims(3), until=120.0)
    assert not verdicts
    assert len(pending) == 3
    assert driver.failing
    assert 120 / BACKOFF.most < len(ledger.writes) < 120
    assert trio.current_time() < 120 + BACKOFF.most + 1


async def test_failing_lapses_after_a_while(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    ledger.fault = lambda _: Unavailable("no answer")
    await run(driver, claims(1), until=1.0)
    assert driver.failing
    await trio.sleep(FAILURE_SECONDS + 0.1)
    assert not driver.failing


async def test_failing_ends_at_the_first_success(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    ledger.fault = lambda _: Unavailable("no answer")
    await run(driver, claims(1), until=1.0)
    ledger.fault = lambda _: None
    await run(driver, claims(1))
    assert not driver.failing


async def test_failed_read_is_repeated(driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock) -> None:
    await run(driver, claims(2, "theirs"))
    ledger.fault = lambda _: Unavailable("no answer") if len(ledger.reads) in (1, 2) else None
    verdicts, pending = await run(driver, claims(2))
    assert {type(verdict) for verdict in verdicts.values()} == {Held}
    assert not pending
    assert len(ledger.reads) == 3


async def test_verdicts_are_reported_as_soon_as_they_are_known(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    ledger.fault = lambda position: WriteOutcome.FAILED if position == 0 and trio.current_time() < 60 else None
    times: list[float] = []
    await driver.run(claims(5), lambda _: times.append(trio.current_time()))
    assert times[:4] == [pytest.approx(0.01)] * 4
    assert times[4] >= 60


async def test_unexpected_error_of_one_chunk_fails_no_other(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    """Chunk 3's write raises in whatever batch it is: the others of the batch are written, each exactly once."""
    poison = ChunkKey("run", 3, 1)
    write = ledger.write

    async def write_all_but_poison(writes: Sequence[Write]) -> list[WriteOutcome]:
        if any(one.key == poison for one in writes):
            raise TypeError("Integer exceeds 64-bit range")
        return await write(writes)

    ledger.write = write_all_but_poison  # type: ignore[method-assign]  # a fault
    verdicts: Verdicts = {}
    failed: list[tuple[ChunkKey, str]] = []
    pending = await driver.run(
        claims(10),
        lambda verdict: verdicts.update({verdict.key: verdict}),
        on_failure=lambda key, error: failed.append((key, str(error))),
    )
    assert not pending
    assert failed == [(poison, "Integer exceeds 64-bit range")]
    assert {key.number for key in verdicts} == {0, 1, 2, 4, 5, 6, 7, 8, 9}
    assert {type(verdict) for verdict in verdicts.values()} == {Claimed}


async def test_error_of_a_verdict_is_its_own_chunks(driver: LedgerDriver, autojump_clock: MockClock) -> None:
    taken: list[int] = []
    failed: list[int] = []

    def on_verdict(verdict: ClaimVerdict) -> None:
        if verdict.key.number == 1:
            raise KeyError("no such chunk")
        taken.append(verdict.key.number)

    await driver.run(claims(3), on_verdict, on_failure=lambda key, _: failed.append(key.number))
    assert (taken, failed) == ([0, 2], [1])


async def test_item_that_the_ledger_can_not_store_is_not_tried_for_ever(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    ledger.fault = lambda position: WriteOutcome.IMPOSSIBLE if position == 1 else None
    failed: list[ChunkKey] = []
    await driver.run(claims(3), lambda _: None, on_failure=lambda key, _: failed.append(key))
    assert failed == [ChunkKey("run", 1, 1)]
    assert not driver.failing


async def test_call_that_one_chunk_makes_the_service_refuse_succeeds_for_the_others(
    driver: LedgerDriver, ledger: WatchedLedger, autojump_clock: MockClock
) -> None:
    """The call is repeated for each chunk alone, and the one that is refused alone too is tried again."""
    write = ledger.write

    async def refuse(writes: Sequence[Write]) -> list[WriteOutcome]:
        if any(one.key.number == 1 for one in writes):
            raise ServiceError("AWS refused BatchExecuteStatement with ValidationException")
        return await write(writes)

    ledger.write = refuse  # type: ignore[method-assign]  # a fault
    verdicts, pending = await run(driver, claims(3), until=10.0)
    assert {key.number for key in verdicts} == {0, 2}
    assert pending == [ChunkKey("run", 1, 1)]
