"""A kept process comes back when it ends, sooner or later by how it ended, and goes when it is told to."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from fleet.local.pool_supervisor import PoolSupervisor
from fleet.local.process import Process
from fleet.local.process_supervisor import EARLY_EXITS, LONGEST_WAIT, STABLE_SECONDS, ProcessSupervisor
from fleet.polling import poll_until

GRACE = 30.0


class Actor:
    """A child that does what the test wants: ends with a code after some seconds, or when it is told or killed."""

    def __init__(self, lives: float = float("inf"), code: int = 0, *, deaf: bool = False) -> None:
        self.process = Process(4_000_000, "never")
        self._lives, self._code, self._deaf = lives, code, deaf
        self._end = trio.Event()
        self.heard: list[tuple[float, str]] = []

    async def wait(self) -> int:
        with trio.move_on_after(self._lives):
            await self._end.wait()
        return self._code

    def terminate(self) -> None:
        self.heard.append((trio.current_time(), "terminate"))
        if not self._deaf:
            self._end.set()

    def kill(self) -> None:
        self.heard.append((trio.current_time(), "kill"))
        self._end.set()


class Stage:
    """Gives the keeper one actor after the other, the last one for ever, and notes when."""

    def __init__(self, *actors: Callable[[], Actor]) -> None:
        self._actors = list(actors)
        self.starts: list[float] = []
        self.actor: Actor | None = None

    async def start(self) -> Actor:
        self.starts.append(trio.current_time())
        make = self._actors.pop(0) if len(self._actors) > 1 else self._actors[0]
        self.actor = make()
        return self.actor


def _supervisor(stage: Stage, log: Path, name: str = "worker-1") -> ProcessSupervisor:
    return ProcessSupervisor(name, stage.start, log=log, grace=GRACE, on_change=lambda: None)


async def test_after_a_long_life_it_is_started_again_at_once(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    stage = Stage(lambda: Actor(lives=100, code=1), Actor)
    supervisor = _supervisor(stage, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(101)
        assert supervisor.running
        assert stage.starts == [stage.starts[0], stage.starts[0] + 100]
        assert (supervisor.actual_state().restarts, supervisor.actual_state().last_end) == (1, "it exited with code 1")
        assert supervisor.actual_state().problem == ""
        supervisor.stop()
    assert not supervisor.running


async def test_early_deaths_are_spaced_out_and_reported_with_the_logs_last_lines(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier life\n")

    def failing() -> Actor:
        with log.open("a") as file:
            file.write("ImportError: no such module\n")
        return Actor(lives=0.5, code=1)

    stage = Stage(failing)
    supervisor = _supervisor(stage, log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(300)
        gaps = [later - earlier - 0.5 for earlier, later in zip(stage.starts, stage.starts[1:], strict=False)]
        assert gaps[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6])
        assert max(gaps) == pytest.approx(LONGEST_WAIT)
        problem = supervisor.actual_state().problem
        assert "worker-1 does not stay up" in problem
        assert "it exited with code 1; its log ends: ImportError: no such module" in problem
        assert "earlier life" not in problem
        supervisor.stop()


async def test_a_problem_is_forgotten_once_it_stays_up(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    stage = Stage(*[lambda: Actor(lives=0.1, code=-9)] * EARLY_EXITS, Actor)
    supervisor = _supervisor(stage, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(3)
        assert "it was killed by signal 9" in supervisor.actual_state().problem
        await trio.sleep(STABLE_SECONDS)
        assert supervisor.actual_state().problem == ""
        supervisor.stop()


async def test_a_program_that_can_not_be_started_is_a_problem_and_no_crash(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async def start() -> Actor:
        raise FileNotFoundError(2, "No such file", "py-spy")

    supervisor = ProcessSupervisor("worker-1", start, log=tmp_path / "log", grace=GRACE, on_change=lambda: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(5)
        assert "it can't be started" in supervisor.actual_state().problem
        assert "py-spy" in supervisor.actual_state().problem
        supervisor.stop()


async def test_told_to_stop_it_is_asked_and_then_swept(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    stage = Stage(Actor)
    supervisor = _supervisor(stage, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(1)
        supervisor.stop()
        asked = trio.current_time()
    assert stage.actor
    assert stage.actor.heard == [(asked, "terminate"), (asked, "kill")]
    assert len(stage.starts) == 1


async def test_one_that_does_not_listen_is_killed_after_the_grace(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    stage = Stage(lambda: Actor(deaf=True))
    supervisor = _supervisor(stage, tmp_path / "log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(1)
        supervisor.stop()
        asked = trio.current_time()
    assert stage.actor
    assert stage.actor.heard[:2] == [(asked, "terminate"), (asked + GRACE, "kill")]


async def test_told_to_stop_between_two_lives_it_does_not_start_again(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    stage = Stage(lambda: Actor(lives=0.1, code=1))
    supervisor = _supervisor(stage, tmp_path / "log")
    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await trio.sleep(60)
            await poll_until(lambda: not supervisor.running, 0.05)
            starts = len(stage.starts)
            supervisor.stop()
    assert len(stage.starts) == starts


async def test_a_pool_grows_and_shrinks_from_its_end_and_keeps_its_count_of_restarts(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    stages: dict[str, Stage] = {}

    def make(number: int) -> ProcessSupervisor:
        name = f"worker-{number}"
        stages[name] = Stage(lambda: Actor(lives=20), lambda: Actor(deaf=True))
        return _supervisor(stages[name], tmp_path / name, name)

    async with trio.open_nursery() as nursery:
        pool = PoolSupervisor(make, nursery)
        pool.resize(3)
        await trio.sleep(30)
        assert [member.name for member in pool.actual_state().members] == ["worker-1", "worker-2", "worker-3"]
        assert pool.actual_state().restarts == 3
        pool.resize(1)
        await trio.sleep(1)
        assert [member.stopping for member in pool.actual_state().members] == [False, True, True]
        # The numbers of those that still are leaving are not given away.
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
