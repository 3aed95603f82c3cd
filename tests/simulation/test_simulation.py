"""Schedule after schedule, none of which may break a promise; and faults planted to show that one would be seen."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloudkon.errors import CloudKonError
from cloudkon.ports import Ask
from cloudkon.protocol import Claiming, Held, Instant
from cloudkon.protocol.claiming import _Phase
from cloudkon.words import Record
from images.worker.closing import Closing
from images.worker.heartbeat import Heartbeat
from images.worker.holding import Holding
from images.worker.mailbox import Mailbox
from tests.simulation.chaos import run_seed

FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "80"))
BATCH = 20
MOST_SEEDS_TO_BITE = 80


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, BATCH))
def test_no_schedule_breaks_a_promise(first: int, tmp_path: Path) -> None:
    for seed in range(first, min(first + BATCH, FIRST + SEEDS)):
        try:
            run_seed(seed, tmp_path)
        except BaseException as error:
            error.add_note(f"replay it with: make simulate SEEDS=1 FIRST={seed}")
            raise


def test_a_seed_fixes_the_whole_schedule(tmp_path: Path) -> None:
    assert [run_seed(seed, tmp_path) for seed in range(6)] == [run_seed(seed, tmp_path) for seed in range(6)]


def delete_before_complete(patch: pytest.MonkeyPatch) -> None:
    complete = Closing.complete

    def hasty(self: Closing, holding: Holding) -> None:
        for delivery in holding.arrival.deliveries.values():
            self._delete.put(delivery)
        complete(self, holding)

    patch.setattr(Closing, "complete", hasty)


def ignored_failures(patch: pytest.MonkeyPatch) -> None:
    async def careless(
        self: Mailbox, action: str, call: Callable[..., object], entries: object, tries: float = 1
    ) -> None:
        try:
            await call(entries)  # type: ignore[misc]
        except CloudKonError:
            return

    patch.setattr(Mailbox, "_insist", careless)


def claim_without_lease(patch: pytest.MonkeyPatch) -> None:
    told = Claiming.told

    def greedy(self: Claiming, ask: Ask, asked: Instant, answer: object) -> object:
        verdict = told(self, ask, asked, answer)  # type: ignore[arg-type]
        if isinstance(verdict, Held) and isinstance(answer, Record):
            return replace(self, phase=_Phase.STEAL, seen=answer)
        return verdict

    patch.setattr(Claiming, "told", greedy)


def heartbeat_off(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Heartbeat) -> None:
        return

    patch.setattr(Heartbeat, "_renew_due", nothing)


def own_clock_ignored(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Heartbeat, every: float) -> None:
        return

    patch.setattr(Heartbeat, "_watch", nothing)


PLANTED = [
    delete_before_complete,
    ignored_failures,
    claim_without_lease,
    heartbeat_off,
    own_clock_ignored,
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    for seed in range(MOST_SEEDS_TO_BITE):
        try:
            run_seed(seed, tmp_path)
        except BaseException:  # noqa: BLE001  (a broken promise, alone or in a group, or a worker that broke on it)
            return
    pytest.fail(f"{MOST_SEEDS_TO_BITE} schedules did not show it")
