"""Lines of CloudWatch Logs: sorted, and followed without loss or repetition."""

from typing import Any, cast

import pytest
import trio
import trio.testing

from cloudkon.aws.account import Account
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import InvalidInput, NoFleet
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.logs import LogReader
from fleet.aws.resources.account_stacks import AccountStacks

NOW = 1_000_000.0
"""Epoch seconds."""
FIRST, SECOND = "worker/worker/aaaaaaaa1111", "worker/worker/bbbbbbbb2222"


class Wall:
    def wall(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return trio.current_time()


class FakeLogGroups:
    """Log groups as the calls return them."""

    def __init__(self) -> None:
        self.lines: dict[str, list[tuple[float, str]]] = {FIRST: [], SECOND: []}
        self.asked: list[dict[str, Any]] = []
        self.missing = False

    def add_line(self, stream: str, at: float, text: str) -> None:
        self.lines[stream].append((NOW + at, text))

    async def pages(self, _service: str, operation: str, _rows: str, /, **asked: Any) -> list[Any]:  # noqa: ANN401  (botocore's)
        await trio.lowlevel.checkpoint()
        self.asked.append(asked)
        if self.missing:
            raise NoFleet("fleet 'some'", "The specified log group does not exist")
        if operation == "describe_log_streams":
            return [{"logStreamName": name} for name in self.lines]
        return [
            event | {"logStreamName": name}
            for name in self.lines
            for event in self._events(name)
            if event["timestamp"] >= asked["startTime"]
        ]

    async def call(self, _service: str, _operation: str, /, **asked: Any) -> dict[str, Any]:  # noqa: ANN401  (botocore's)
        await trio.lowlevel.checkpoint()
        return {"events": self._events(asked["logStreamName"])[-asked["limit"] :]}

    def _events(self, name: str) -> list[dict[str, Any]]:
        return [{"timestamp": int(at * 1000), "message": text} for at, text in self.lines[name]]


@pytest.fixture
def groups() -> FakeLogGroups:
    return FakeLogGroups()


def reader(groups: FakeLogGroups, task: str = "") -> LogReader:
    stacks = AccountStacks(Settings(fleet="some"), Account("1", "x"), cast("ControlPlane", groups), Wall())
    return LogReader(stacks, WORKER, task)


async def test_last_lines_of_each_worker_are_shown_oldest_first(groups: FakeLogGroups) -> None:
    for at, text in ((1, "old"), (3, "third\n"), (5, "fifth")):
        groups.add_line(FIRST, at, text)
    for at, text in ((2, "older"), (4, "fourth"), (6, "sixth"), (7, " \n")):
        groups.add_line(SECOND, at, text)
    written: list[str] = []
    await reader(groups).read(3, follow=False, write=lambda source, text: written.append(f"{source} {text}"))
    assert written == [
        "worker-aaaaaaaa old",
        "worker-aaaaaaaa third",
        "worker-bbbbbbbb fourth",
        "worker-aaaaaaaa fifth",
        "worker-bbbbbbbb sixth",
    ]


async def test_followed_lines_are_shown_once_even_if_late(
    groups: FakeLogGroups, autojump_clock: trio.testing.MockClock
) -> None:
    groups.add_line(FIRST, -1, "before")
    written: list[str] = []
    async with trio.open_nursery() as nursery:

        async def follow() -> None:
            await reader(groups).read(5, follow=True, write=lambda _source, text: written.append(text))

        nursery.start_soon(follow)
        await trio.sleep(1)
        groups.add_line(FIRST, 10, "new")
        await trio.sleep(4)
        groups.add_line(SECOND, 2, "late")
        await trio.sleep(4)
        nursery.cancel_scope.cancel()
    assert written == ["before", "new", "late"]


async def test_logs_of_one_task_search_the_whole_retention(groups: FakeLogGroups) -> None:
    await reader(groups, "36d5e2a/7").read(5, follow=False, write=lambda _source, _text: None)
    assert [(asked["startTime"], asked["filterPattern"]) for asked in groups.asked] == [(0, '{ $.task = "36d5e2a/7" }')]


@pytest.mark.parametrize("task", ["7", "run", 'run/7" || "', "run/"])
def test_invalid_task_id_is_refused(groups: FakeLogGroups, task: str) -> None:
    with pytest.raises(InvalidInput, match="RUN/SEQ"):
        reader(groups, task)


async def test_missing_log_group_means_the_fleet_is_not_up(groups: FakeLogGroups) -> None:
    groups.missing = True
    with pytest.raises(NoFleet, match=r"/cloudkon/some/worker.*fleet up"):
        await reader(groups).read(5, follow=False, write=lambda _source, _text: None)
