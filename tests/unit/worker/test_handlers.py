"""How the worker finds its own handlers and those of users' packages."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest
from trio.testing import MockClock

from cloudkon.errors import InvalidSetting
from cloudkon.handler import Context
from cloudkon.model import TaskState
from cloudkon.settings import Settings
from images.worker.handlers import find_handlers, handler_registry
from tests.support.memory_fleet import Fleet


async def resize(arguments: str, context: Context) -> str:
    return f"resized {arguments}"


def offer(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Replace the entry points of installed packages."""
    offered = EntryPoints(EntryPoint(name, value, handler_registry.GROUP) for name, value in points.items())
    monkeypatch.setattr(handler_registry, "entry_points", lambda group: offered.select(group=group))


async def test_packages_handler_runs_its_instructions(
    fleet: Fleet, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, resize=f"{__name__}:resize")
    run = await fleet.push("resize cat.png", "sleep 1")
    await fleet.worker(handlers=find_handlers(Settings()), until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert results[0].output == "resized cat.png"
    assert results[1].state is TaskState.SUCCEEDED


def test_built_in_handlers_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, sleep=f"{__name__}:resize")
    assert find_handlers(Settings())["sleep"] is not resize


@pytest.mark.parametrize("value", ["no_such_module:handle", f"{__name__}:no_such_function"])
def test_handler_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    offer(monkeypatch, broken=value)
    with pytest.raises(InvalidSetting, match=r"handler 'broken' \(.*can't be loaded"):
        find_handlers(Settings())


async def test_exec_is_off_by_default_and_its_error_names_the_setting(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("exec touch /tmp/never")
    await fleet.worker(handlers=find_handlers(Settings()), until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert (results[0].state, results[0].attempts) == (TaskState.FAILED, 1)
    assert results[0].error == "exec: this pool doesn't run command lines. Its workers need CLOUDKON_ALLOW_EXEC=yes"


async def test_invalid_sleep_fails_at_once(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("sleep soon", "sleep -1", "sleep nan", "sleep")
    await fleet.worker(handlers=find_handlers(Settings()), until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert {(one.state, one.attempts) for one in results.values()} == {(TaskState.FAILED, 1)}
