"""The supervisor starts everything in order, repairs failures, and stops everything in order."""

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
from fleet.local.actual_state import ActualState
from fleet.local.fleet_supervisor import HEALTH_SECONDS, RETRY_SECONDS, FleetSupervisor
from fleet.local.process_supervisor import ProcessSupervisor
from fleet.local.processes.process import Process
from fleet.local.state_dir import StateDir

SOON = 1.0
"""Virtual seconds within which a supervisor notices a change."""


class FakeChild:
    """A child that runs until it is terminated, or until the test ends it."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.process = Process(4_000_000, "never")
        self.shim: Process | None = Process(4_000_001, "never")
        self._name, self._events, self._end = name, events, trio.Event()
        self._code = 0

    async def wait(self) -> int:
        await self._end.wait()
        return self._code

    def terminate(self) -> None:
        self._events.append(f"{self._name} stops")
        self._end.set()

    def die(self) -> None:
        self._code = -9
        self._end.set()

    def kill(self) -> None:
        self._end.set()


class FakeProcesses:
    """Processes that work until the test makes them fail."""

    endpoint_url = "http://127.0.0.1:4566"

    def __init__(self, state_dir: StateDir) -> None:
        self._state_dir = state_dir
        self.events: list[str] = []
        self.children: dict[str, FakeChild] = {}
        self.answers = True
        self.provisioning_fails = ""

    def emulator(self, on_change: Callable[[], object]) -> ProcessSupervisor:
        return self._supervisor("emulator", on_change)

    def worker(self, pool: Pool, number: int, on_change: Callable[[], object]) -> ProcessSupervisor:
        return self._supervisor(f"{pool.name}-{number}", on_change)

    async def wait_until_healthy(self) -> None:
        await trio.sleep(0.1 if self.answers else float("inf"))

    async def provision(self) -> None:
        await trio.sleep(0.1)
        if self.provisioning_fails:
            raise ServiceError(self.provisioning_fails)
        self.events.append("provisioned")

    def _supervisor(self, name: str, on_change: Callable[[], object]) -> ProcessSupervisor:
        async def start() -> FakeChild:
            self.events.append(f"{name} starts")
            self.children[name] = FakeChild(name, self.events)
            return self.children[name]

        return ProcessSupervisor(name, start, log=self._state_dir.logs / f"{name}.log", grace=5.0, on_change=on_change)


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    state_dir = StateDir(tmp_path)
    state_dir.make()
    state_dir.change_desired_state(lambda before: before.with_request())
    return state_dir


@asynccontextmanager
async def _running(
    state_dir: StateDir, processes: FakeProcesses, ours: Callable[[], bool] = lambda: True
) -> AsyncIterator[FleetSupervisor]:
    process = Process.of(os.getpid())
    assert process
    supervisor = FleetSupervisor(Settings(), state_dir, processes, process, Log(level="error"))
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run, ours)
            await trio.sleep(SOON)
            yield supervisor
            supervisor.stop()


def _recorded(state_dir: StateDir) -> ActualState:
    actual = state_dir.actual_state()
    assert actual
    return actual


async def test_workers_start_after_the_stack_and_end_before_the_emulator(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 2).with_count("animoto", 1))
    processes = FakeProcesses(state_dir)
    async with _running(state_dir, processes):
        assert processes.events[:2] == ["emulator starts", "provisioned"]
        assert sorted(processes.events[2:]) == ["animoto-1 starts", "worker-1 starts", "worker-2 starts"]
        assert _recorded(state_dir).ready
        assert _recorded(state_dir).answered == 1
        assert _recorded(state_dir).pools["worker"].desired == 2
        processes.events.clear()
    assert sorted(processes.events[:3]) == ["animoto-1 stops", "worker-1 stops", "worker-2 stops"]
    assert processes.events[3:] == ["emulator stops"]


async def test_supervisor_follows_the_desired_state_as_soon_as_it_is_written(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    processes = FakeProcesses(state_dir)
    async with _running(state_dir, processes):
        state_dir.change_desired_state(lambda before: before.with_count("worker", 1))
        await trio.sleep(SOON)
        assert [member.name for member in _recorded(state_dir).workers] == ["worker-1"]
        state_dir.change_desired_state(lambda before: before.with_count("worker", 0))
        await trio.sleep(SOON)
        assert _recorded(state_dir).workers == []


async def test_damaged_or_missing_desired_state_stops_no_worker(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 1))
    processes = FakeProcesses(state_dir)
    async with _running(state_dir, processes):
        state_dir.desired_state_path.write_text("{")
        await trio.sleep(SOON)
        state_dir.desired_state_path.unlink()
        await trio.sleep(SOON)
        assert [member.name for member in _recorded(state_dir).workers] == ["worker-1"]


async def test_killed_emulator_is_restarted_with_its_stack_while_workers_go_on(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 1))
    processes = FakeProcesses(state_dir)
    async with _running(state_dir, processes):
        processes.events.clear()
        processes.children["emulator"].die()
        await trio.sleep(SOON)
        assert processes.events == ["emulator starts", "provisioned"]
        assert _recorded(state_dir).ready
        assert _recorded(state_dir).emulator.last_end == "it was killed by signal 9"


async def test_another_up_checks_the_stack_again(autojump_clock: trio.testing.MockClock, state_dir: StateDir) -> None:
    processes = FakeProcesses(state_dir)
    async with _running(state_dir, processes):
        state_dir.change_desired_state(lambda before: before.with_request())
        await trio.sleep(SOON)
        assert processes.events.count("provisioned") == 2
        assert _recorded(state_dir).answered == 2


async def test_stack_that_fails_is_reported_and_tried_again(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 1))
    processes = FakeProcesses(state_dir)
    processes.provisioning_fails = "stack 'x' is ROLLBACK_COMPLETE: Store: taken"
    async with _running(state_dir, processes):
        assert _recorded(state_dir).problem == processes.provisioning_fails
        assert _recorded(state_dir).answered == 1
        assert not _recorded(state_dir).ready
        assert _recorded(state_dir).workers == []
        processes.provisioning_fails = ""
        await trio.sleep(RETRY_SECONDS + SOON)
        assert _recorded(state_dir).problem == ""
        assert [member.name for member in _recorded(state_dir).workers] == ["worker-1"]


async def test_emulator_that_does_not_answer_is_a_problem(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    processes = FakeProcesses(state_dir)
    processes.answers = False
    async with _running(state_dir, processes):
        await trio.sleep(HEALTH_SECONDS)
        assert "does not answer at http://127.0.0.1:4566" in _recorded(state_dir).problem


async def test_removed_state_directory_stops_the_fleet(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 1))
    processes = FakeProcesses(state_dir)
    ours = True
    async with _running(state_dir, processes, lambda: ours):
        ours = False
        await trio.sleep(SOON)
        assert processes.events[-2:] == ["worker-1 stops", "emulator stops"]


async def test_full_disk_stops_no_worker_and_the_state_is_written_later(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    processes = FakeProcesses(state_dir)
    async with _running(state_dir, processes):
        with monkeypatch.context() as patch:
            patch.setattr(StateDir, "write_actual_state", full)
            state_dir.change_desired_state(lambda before: before.with_count("worker", 1))
            await trio.sleep(SOON)
            assert "worker-1 starts" in processes.events
            assert _recorded(state_dir).workers == []
        await trio.sleep(RETRY_SECONDS + SOON)
        assert [member.name for member in _recorded(state_dir).workers] == ["worker-1"]
