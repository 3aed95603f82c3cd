"""The supervisor brings things up in order, mends what breaks, and takes all down."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from cloudkon.errors import ServiceError
from cloudkon.log import Log
from cloudkon.model import Pool
from cloudkon.settings import Settings
from fleet.local.actual_state import Observed
from fleet.local.fleet_supervisor import HEALTH_SECONDS, RETRY_SECONDS, Supervisor
from fleet.local.process import Process
from fleet.local.process_supervisor import Keeper
from fleet.local.state_dir import Home

SOON = 1.0
"""Virtual seconds in which a supervisor notices whatever there is to notice."""


class Actor:
    """A child that runs until it is told to end, or until the test ends it."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.process = Process(4_000_000, "never")
        self._name, self._diary, self._end = name, diary, trio.Event()
        self._code = 0

    async def wait(self) -> int:
        await self._end.wait()
        return self._code

    def terminate(self) -> None:
        self._diary.append(f"{self._name} stops")
        self._end.set()

    def die(self) -> None:
        self._code = -9
        self._end.set()

    def kill(self) -> None:
        self._end.set()


class FakeWorld:
    """A machine on which everything works until the test says otherwise."""

    endpoint_url = "http://127.0.0.1:4566"

    def __init__(self, home: Home) -> None:
        self._home = home
        self.diary: list[str] = []
        self.actors: dict[str, Actor] = {}
        self.answers = True
        self.provisioning_fails = ""

    def emulator(self, changed: Callable[[], object]) -> Keeper:
        return self._keeper("emulator", changed)

    def worker(self, pool: Pool, number: int, changed: Callable[[], object]) -> Keeper:
        return self._keeper(f"{pool.name}-{number}", changed)

    async def healthy(self) -> None:
        await trio.sleep(0.1 if self.answers else float("inf"))

    async def provision(self) -> None:
        await trio.sleep(0.1)
        if self.provisioning_fails:
            raise ServiceError(self.provisioning_fails)
        self.diary.append("provisioned")

    def _keeper(self, name: str, changed: Callable[[], object]) -> Keeper:
        async def start() -> Actor:
            self.diary.append(f"{name} starts")
            self.actors[name] = Actor(name, self.diary)
            return self.actors[name]

        return Keeper(name, start, log=self._home.logs / f"{name}.log", grace=5.0, changed=changed)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make()
    home.change_wanted(lambda before: before.with_request())
    return home


@asynccontextmanager
async def _running(home: Home, world: FakeWorld, ours: Callable[[], bool] = lambda: True) -> AsyncIterator[Supervisor]:
    process = Process.of(os.getpid())
    assert process
    supervisor = Supervisor(Settings(), home, world, process, Log(level="error"))
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run, ours)
            await trio.sleep(SOON)
            yield supervisor
            supervisor.stop()


def _recorded(home: Home) -> Observed:
    observed = home.observed()
    assert observed
    return observed


async def test_workers_start_when_the_stack_is_whole_and_end_before_the_emulator(
    autojump_clock: trio.testing.MockClock, home: Home
) -> None:
    home.change_wanted(lambda before: before.with_count("worker", 2).with_count("animoto", 1))
    world = FakeWorld(home)
    async with _running(home, world):
        assert world.diary[:2] == ["emulator starts", "provisioned"]
        assert sorted(world.diary[2:]) == ["animoto-1 starts", "worker-1 starts", "worker-2 starts"]
        assert _recorded(home).ready
        assert _recorded(home).answered == 1
        assert _recorded(home).pools["worker"].desired == 2
        world.diary.clear()
    assert sorted(world.diary[:3]) == ["animoto-1 stops", "worker-1 stops", "worker-2 stops"]
    assert world.diary[3:] == ["emulator stops"]


async def test_it_does_what_is_wanted_as_soon_as_it_is_written(
    autojump_clock: trio.testing.MockClock, home: Home
) -> None:
    world = FakeWorld(home)
    async with _running(home, world):
        home.change_wanted(lambda before: before.with_count("worker", 1))
        await trio.sleep(SOON)
        assert [member.name for member in _recorded(home).workers] == ["worker-1"]
        home.change_wanted(lambda before: before.with_count("worker", 0))
        await trio.sleep(SOON)
        assert _recorded(home).workers == []


async def test_a_damaged_or_missing_wish_stops_no_worker(autojump_clock: trio.testing.MockClock, home: Home) -> None:
    home.change_wanted(lambda before: before.with_count("worker", 1))
    world = FakeWorld(home)
    async with _running(home, world):
        home.wanted_path.write_text("{")
        await trio.sleep(SOON)
        home.wanted_path.unlink()
        await trio.sleep(SOON)
        assert [member.name for member in _recorded(home).workers] == ["worker-1"]


async def test_a_killed_emulator_comes_back_with_its_stack_while_workers_go_on(
    autojump_clock: trio.testing.MockClock, home: Home
) -> None:
    home.change_wanted(lambda before: before.with_count("worker", 1))
    world = FakeWorld(home)
    async with _running(home, world):
        world.diary.clear()
        world.actors["emulator"].die()
        await trio.sleep(SOON)
        assert world.diary == ["emulator starts", "provisioned"]
        assert _recorded(home).ready
        assert _recorded(home).emulator.last_end == "it was killed by signal 9"


async def test_another_up_has_the_stack_looked_over_again(autojump_clock: trio.testing.MockClock, home: Home) -> None:
    world = FakeWorld(home)
    async with _running(home, world):
        home.change_wanted(lambda before: before.with_request())
        await trio.sleep(SOON)
        assert world.diary.count("provisioned") == 2
        assert _recorded(home).answered == 2


async def test_a_stack_that_can_not_be_made_is_reported_and_tried_again(
    autojump_clock: trio.testing.MockClock, home: Home
) -> None:
    home.change_wanted(lambda before: before.with_count("worker", 1))
    world = FakeWorld(home)
    world.provisioning_fails = "stack 'x' is ROLLBACK_COMPLETE: Store: taken"
    async with _running(home, world):
        assert _recorded(home).problem == world.provisioning_fails
        assert _recorded(home).answered == 1
        assert not _recorded(home).ready
        assert _recorded(home).workers == []
        world.provisioning_fails = ""
        await trio.sleep(RETRY_SECONDS + SOON)
        assert _recorded(home).problem == ""
        assert [member.name for member in _recorded(home).workers] == ["worker-1"]


async def test_an_emulator_that_does_not_answer_is_a_problem(
    autojump_clock: trio.testing.MockClock, home: Home
) -> None:
    world = FakeWorld(home)
    world.answers = False
    async with _running(home, world):
        await trio.sleep(HEALTH_SECONDS)
        assert "does not answer at http://127.0.0.1:4566" in _recorded(home).problem


async def test_a_removed_state_directory_takes_the_fleet_down(
    autojump_clock: trio.testing.MockClock, home: Home
) -> None:
    home.change_wanted(lambda before: before.with_count("worker", 1))
    world = FakeWorld(home)
    ours = True
    async with _running(home, world, lambda: ours):
        ours = False
        await trio.sleep(SOON)
        assert world.diary[-2:] == ["worker-1 stops", "emulator stops"]


async def test_a_full_disk_stops_no_worker_and_is_written_up_later(
    autojump_clock: trio.testing.MockClock, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    world = FakeWorld(home)
    async with _running(home, world):
        with monkeypatch.context() as patch:
            patch.setattr(Home, "write_observed", full)
            home.change_wanted(lambda before: before.with_count("worker", 1))
            await trio.sleep(SOON)
            assert "worker-1 starts" in world.diary
            assert _recorded(home).workers == []
        await trio.sleep(RETRY_SECONDS + SOON)
        assert [member.name for member in _recorded(home).workers] == ["worker-1"]
