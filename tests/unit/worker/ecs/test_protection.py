"""When protection is asked for and given up, in virtual time."""

from itertools import pairwise

import pytest
import trio

from cloudkon.log import Log
from images.worker.ecs import AgentFault, Protection
from images.worker.ecs.protection import EXPOSED_SECONDS, HOLD_SECONDS, LINGER_SECONDS, RENEW_SECONDS, RETRY_SECONDS

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Life:
    """A worker that has work or not, an agent that does as asked or not, and what was asked when."""

    def __init__(self) -> None:
        self.busy = False
        self.closed = 0
        self.paused: list[str] = []
        self.asked: list[tuple[float, str]] = []
        self.faults: list[str] = []
        self.protected = False

    async def protect(self, minutes: int) -> None:
        self._ask(f"protect {minutes}")
        self.protected = True

    async def expose(self) -> None:
        self._ask("expose")
        self.protected = False

    def _ask(self, what: str) -> None:
        if self.faults:
            raise AgentFault(self.faults.pop(0))
        self.asked.append((round(trio.current_time()), what))

    async def live(self) -> None:
        await Protection(
            self,
            lambda: self.busy,
            lambda: self.closed,
            lambda: self.paused.append("paused"),
            lambda: self.paused.append("resumed"),
            Log("error"),
        ).run()

    async def chunks(self) -> None:
        """One chunk after the other, without a pause."""
        while True:
            await trio.sleep(30)
            self.closed += 1


@pytest.fixture
def life() -> Life:
    return Life()


async def test_idle_worker_asks_for_no_protection(life: Life) -> None:
    with trio.move_on_after(3600):
        await life.live()

    assert life.asked == []


async def test_protection_starts_and_ends_with_the_work(life: Life) -> None:
    with trio.move_on_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.live)
            await trio.sleep(10.5)
            life.busy = True
            await trio.sleep(20)
            life.busy = False

    (protected, what), (exposed, then) = life.asked
    assert (what, then) == ("protect 60", "expose")
    assert protected == 11
    assert LINGER_SECONDS - 1 <= exposed - 30.5 <= LINGER_SECONDS + 1


async def test_short_pauses_between_chunks_make_no_request(life: Life) -> None:
    life.busy = True
    with trio.move_on_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.live)
            while True:
                await trio.sleep(3)
                life.busy = not life.busy

    assert [what for _, what in life.asked] == ["protect 60"]


async def test_worker_that_is_never_idle_can_be_stopped_between_two_chunks(life: Life) -> None:
    life.busy = True
    with trio.move_on_after(2 * (HOLD_SECONDS + EXPOSED_SECONDS + 40)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.live)
            nursery.start_soon(life.chunks)

    whats = [what for _, what in life.asked]
    assert whats[:4] == ["protect 60", "expose", "protect 60", "expose"]
    (_, gap), (again, _) = life.asked[1], life.asked[2]
    assert gap == "expose"
    assert again - life.asked[1][0] >= EXPOSED_SECONDS


async def test_long_chunk_stays_protected_by_renewals(life: Life) -> None:
    life.busy = True
    with trio.move_on_after(3 * RENEW_SECONDS + 10):
        await life.live()

    assert {what for _, what in life.asked} == {"protect 60"}
    times = [at for at, _ in life.asked]
    assert len(times) == 4
    assert max(later - earlier for earlier, later in pairwise(times)) < 60 * 60


async def test_worker_that_a_deployment_replaces_accepts_no_new_work(life: Life) -> None:
    life.busy = True
    life.faults = ["DEPLOYMENT_BLOCKED"] * 3
    with trio.move_on_after(RETRY_SECONDS * 2.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.live)
            await trio.sleep(5)
            life.busy = False
            await trio.sleep(RETRY_SECONDS * 2.5)
    assert life.paused == ["paused"]


async def test_worker_resumes_after_a_deployment_that_left_it_alone(life: Life) -> None:
    life.busy = True
    life.faults = ["DEPLOYMENT_BLOCKED"] * 3
    with trio.move_on_after(RETRY_SECONDS * 4):
        await life.live()

    assert life.paused == ["paused", "resumed"]
    assert life.protected


async def test_failing_agent_is_asked_again_and_stops_no_work(life: Life) -> None:
    life.busy = True
    life.faults = ["no answer"] * 2
    with trio.move_on_after(RETRY_SECONDS * 3):
        await life.live()

    assert life.paused == []
    assert life.protected
    assert life.asked[0][0] >= 2 * RETRY_SECONDS
