"""A supervised process restarts after its exit, with a wait after early exits, until it is stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from fleet.local.pool_supervisor import PoolSupervisor
from fleet.local.process_supervisor import EARLY_EXITS, RESTART, STABLE_SECONDS, ProcessSupervisor
from fleet.local.processes.process import Process
from fleet.polling import poll_until

GRACE = 30.0


class FakeChild:
    """A child that exits with a code after ``seconds``, or when it is terminated or killed."""

    def __init__(self, seconds: float = float("inf"), code: int = 0, *, ignores_sigterm: bool = False) -> None:
        self.process = Process(4_000_000, "never")
        self.shim: Process | None = Process(4_000_001, "never")
        self._seconds, self._code, self._ignores_sigterm = seconds, code, ignores_sigterm
        self._end = trio.Event()
        self.signals: list[tuple[float, str]] = []

    async def wait(self) -> int:
        with trio.move_on_after(self._seconds):
            await self._end.wait()
        return self._code

    def terminate(self) -> None:
        self.signals.append((trio.current_time(), "terminate"))
        if not self._ignores_sigterm:
            self._end.set()

    def kill(self) -> None:
        self.signals.append((trio.current_time(), "kill"))
        self._end.set()


class FakeStarts:
    """Starts one child after the other, repeats the last one, and records the times."""

    def __init__(self, *children: Callable[[], FakeChild]) -> None:
        self._children = list(children)
        self.starts: list[float] = []
        self.child: FakeChild | None = None

    async def start(self) -> FakeChild:
        self.starts.append(trio.current_time())
        make = self._children.pop(0) if len(self._children) > 1 else self._children[0]
        self.child = make()
        return self.child


def _supervisor(fake: FakeStarts, log: Path, name: str = "worker-1") -> ProcessSupervisor:
    return ProcessSupervisor(name, fake.start, log=log, grace=GRACE, on_change=lambda: None)


async def test_process_restarts_at_once_after_a_long_run(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    fake = FakeStarts(lambda: FakeChild(seconds=100, code=1), FakeChild)
    supervisor = _supervisor(fake, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(101)
        assert supervisor.running
        assert fake.starts == [fake.starts[0], fake.starts[0] + 100]
        assert (supervisor.actual_state().restarts, supervisor.actual_state().last_end) == (1, "it exited with code 1")
        assert supervisor.actual_state().problem == ""
        supervisor.stop()
    assert not supervisor.running


async def test_early_exits_back_off_and_are_reported_with_the_last_log_lines(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier run\n")

    def failing() -> FakeChild:
        with log.open("a") as file:
            file.write("ImportError: no such module\n")
        return FakeChild(seconds=0.5, code=1)

    fake = FakeStarts(failing)
    supervisor = _supervisor(fake, log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(300)
        gaps = [later - earlier - 0.5 for earlier, later in zip(fake.starts, fake.starts[1:], strict=False)]
        assert gaps[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6])
        assert max(gaps) == pytest.approx(RESTART.most)
        problem = supervisor.actual_state().problem
        assert "worker-1 does not stay up" in problem
        assert "it exited with code 1; its log ends: ImportError: no such module" in problem
        assert "earlier run" not in problem
        supervisor.stop()


async def test_problem_is_cleared_when_the_process_stays_up(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    fake = FakeStarts(*[lambda: FakeChild(seconds=0.1, code=-9)] * EARLY_EXITS, FakeChild)
    supervisor = _supervisor(fake, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(3)
        assert "it was killed by signal 9" in supervisor.actual_state().problem
        await trio.sleep(STABLE_SECONDS)
        assert supervisor.actual_state().problem == ""
        supervisor.stop()


async def test_program_that_can_not_be_started_is_a_problem(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async def start() -> FakeChild:
        raise FileNotFoundError(2, "No such file", "py-spy")

    supervisor = ProcessSupervisor("worker-1", start, log=tmp_path / "log", grace=GRACE, on_change=lambda: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(5)
        assert "it can't be started" in supervisor.actual_state().problem
        assert "py-spy" in supervisor.actual_state().problem
        supervisor.stop()


async def test_stop_terminates_the_process(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    fake = FakeStarts(FakeChild)
    supervisor = _supervisor(fake, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(1)
        supervisor.stop()
        stopped = trio.current_time()
    assert fake.child
    assert fake.child.signals == [(stopped, "terminate")]
    assert len(fake.starts) == 1


async def test_process_that_ignores_sigterm_is_killed_after_the_grace(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    fake = FakeStarts(lambda: FakeChild(ignores_sigterm=True))
    supervisor = _supervisor(fake, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(1)
        supervisor.stop()
        stopped = trio.current_time()
    assert fake.child
    assert fake.child.signals[:2] == [(stopped, "terminate"), (stopped + GRACE, "kill")]


async def test_stop_between_two_runs_prevents_the_next_start(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    fake = FakeStarts(lambda: FakeChild(seconds=0.1, code=1))
    supervisor = _supervisor(fake, tmp_path / "log")
    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await trio.sleep(60)
            await poll_until(lambda: not supervisor.running, 0.05)
            starts = len(fake.starts)
            supervisor.stop()
    assert len(fake.starts) == starts


async def test_pool_grows_and_shrinks_at_its_end_and_keeps_its_restart_count(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    starts_of: dict[str, FakeStarts] = {}

    def make(number: int) -> ProcessSupervisor:
        name = f"worker-{number}"
        starts_of[name] = FakeStarts(lambda: FakeChild(seconds=20), lambda: FakeChild(ignores_sigterm=True))
        return _supervisor(starts_of[name], tmp_path / name, name)

    async with trio.open_nursery() as nursery:
        pool = PoolSupervisor(make, nursery)
        pool.resize(3)
        await trio.sleep(30)
        assert [member.name for member in pool.actual_state().members] == ["worker-1", "worker-2", "worker-3"]
        assert pool.actual_state().restarts == 3
        pool.resize(1)
        await trio.sleep(1)
        assert [member.stopping for member in pool.actual_state().members] == [False, True, True]
        # The numbers of workers that are still stopping are not reused.
        pool.resize(2)
        await trio.sleep(1)
        assert [member.name for member in pool.actual_state().members if not member.stopping] == [
            "worker-1",
            "worker-4",
        ]
        await trio.sleep(GRACE)
        assert [member.name for member in pool.actual_state().members] == ["worker-1", "worker-4"]
        assert pool.actual_state().restarts == 4
        pool.resize(0)
        assert not pool.is_empty()
        await trio.sleep(GRACE + 1)
        assert pool.is_empty()
        assert pool.actual_state().desired == 0
