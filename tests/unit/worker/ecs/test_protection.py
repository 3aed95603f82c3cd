"""When protection starts and ends, in virtual time."""

from itertools import pairwise

import pytest
import trio

from cloudkon.log import Log
from images.worker.ecs import AgentFault, Protection
from images.worker.ecs.protection import EXPOSED_SECONDS, HOLD_SECONDS, LINGER_SECONDS, RENEW_SECONDS, RETRY_SECONDS

pytestmark = pytest.mark.usefixtures("autojump_clock")


class FakeWorker:
    """A worker with or without work, and its agent, which may fail; ``requests`` has the time of each request."""

    def __init__(self) -> None:
        self.busy = False
        self.closed = 0
        self.paused: list[str] = []
        self.requests: list[tuple[float, str]] = []
        self.faults: list[str] = []
        self.protected = False

    async def protect(self, minutes: int) -> None:
        self._request(f"protect {minutes}")
        self.protected = True

    async def expose(self) -> None:
        self._request("expose")
        self.protected = False

    def _request(self, what: str) -> None:
        if self.faults:
            raise AgentFault(self.faults.pop(0))
        self.requests.append((round(trio.current_time()), what))

    async def run(self) -> None:
        await Protection(
            self,
            lambda: self.busy,
            lambda: self.closed,
            lambda: self.paused.append("paused"),
            lambda: self.paused.append("resumed"),
            Log("error"),
        ).run()

    async def chunks(self) -> None:
        """End one chunk after the other, without a pause."""
        while True:
            await trio.sleep(30)
            self.closed += 1


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


async def test_idle_worker_asks_for_no_protection(worker: FakeWorker) -> None:
    with trio.move_on_after(3600):
        await worker.run()

    assert worker.requests == []


async def test_protection_starts_and_ends_with_the_work(worker: FakeWorker) -> None:
    with trio.move_on_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            await trio.sleep(10.5)
            worker.busy = True
            await trio.sleep(20)
            worker.busy = False

    (protected, what), (exposed, then) = worker.requests
    assert (what, then) == ("protect 60", "expose")
    assert protected == 11
    assert LINGER_SECONDS - 1 <= exposed - 30.5 <= LINGER_SECONDS + 1


async def test_short_pauses_between_chunks_make_no_request(worker: FakeWorker) -> None:
    worker.busy = True
    with trio.move_on_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            while True:
                await trio.sleep(3)
                worker.busy = not worker.busy

    assert [what for _, what in worker.requests] == ["protect 60"]


async def test_worker_that_is_never_idle_can_be_stopped_between_two_chunks(worker: FakeWorker) -> None:
    worker.busy = True
    with trio.move_on_after(2 * (HOLD_SECONDS + EXPOSED_SECONDS + 40)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            nursery.start_soon(worker.chunks)

    kinds = [what for _, what in worker.requests]
    assert kinds[:4] == ["protect 60", "expose", "protect 60", "expose"]
    (_, gap), (again, _) = worker.requests[1], worker.requests[2]
    assert gap == "expose"
    assert again - worker.requests[1][0] >= EXPOSED_SECONDS


async def test_long_chunk_stays_protected_by_renewals(worker: FakeWorker) -> None:
    worker.busy = True
    with trio.move_on_after(3 * RENEW_SECONDS + 10):
        await worker.run()

    assert {what for _, what in worker.requests} == {"protect 60"}
    times = [at for at, _ in worker.requests]
    assert len(times) == 4
    assert max(later - earlier for earlier, later in pairwise(times)) < 60 * 60


async def test_worker_that_a_deployment_replaces_accepts_no_new_work(worker: FakeWorker) -> None:
    worker.busy = True
    worker.faults = ["DEPLOYMENT_BLOCKED"] * 3
    with trio.move_on_after(RETRY_SECONDS * 2.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            await trio.sleep(5)
            worker.busy = False
            await trio.sleep(RETRY_SECONDS * 2.5)
    assert worker.paused == ["paused"]


async def test_worker_resumes_after_a_deployment_that_left_it_alone(worker: FakeWorker) -> None:
    worker.busy = True
    worker.faults = ["DEPLOYMENT_BLOCKED"] * 3
    with trio.move_on_after(RETRY_SECONDS * 4):
        await worker.run()

    assert worker.paused == ["paused", "resumed"]
    assert worker.protected


async def test_failing_agent_is_asked_again_and_stops_no_work(worker: FakeWorker) -> None:
    worker.busy = True
    worker.faults = ["no answer"] * 2
    with trio.move_on_after(RETRY_SECONDS * 3):
        await worker.run()

    assert worker.paused == []
    assert worker.protected
    assert worker.requests[0][0] >= 2 * RETRY_SECONDS
