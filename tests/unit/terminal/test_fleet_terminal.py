"""Every command of the fleet, on a terminal, with hostile text from the target: nothing of it controls the terminal."""

# ruff: noqa: ARG002  (the port's arguments)

import json
import sys
from collections.abc import Callable

import pytest

from cloudkon.errors import CloudKonError, InvalidInput, ServiceError
from cloudkon.model import Depth, Pool
from fleet import __main__ as main_module
from fleet.cli import commands
from fleet.cli.commands import fleet
from fleet.status import CostStatus, FleetStatus, InstancesStatus, PoolStatus, WorkerStatus
from fleet.target import Report
from fleet.target_options import NO_SIZING, AutoscaleRange, Sizing
from tests.support.pseudo_terminal import HOSTILE, Shown, on_terminal

STATUS = FleetStatus(
    fleet=HOSTILE,
    target="aws",
    endpoint_url=HOSTILE,
    uptime_seconds=1.0,
    emulator=None,
    pools={
        HOSTILE: PoolStatus(1, 0, (WorkerStatus(HOSTILE, 7, 1.0, 0, stopping=False),), Depth(1, 0, 0), scaling=HOSTILE)
    },
    problems=(HOSTILE,),
    notes=(HOSTILE,),
    place=HOSTILE,
    instances=InstancesStatus(1, 1, 1, 1, 0),
    cost=CostStatus(1.0, None, HOSTILE),
)
RECIPES: dict[str, list[str]] = {
    "build": [],
    "up": [],
    "scale": ["2"],
    "status": [],
    "logs": [],
    "down": [],
    "publish": [],
    "deploy": [],
    "autoscale": ["--max", "2"],
}
"""Arguments with which each command calls the target."""
WITHOUT_TARGET = {"policy"}
"""Commands that print only the fleet's own files."""


class HostileTarget:
    """A target of which every text is hostile. It raises ``error`` if that is set."""

    error: CloudKonError | None = None
    updates = 2

    async def build(self, pools: tuple[Pool, ...], report: Report, platform: str = "") -> None:
        self._answer(report)

    async def up(self, report: Report, sizing: Sizing = NO_SIZING, *, refresh: bool = False) -> str:
        return self._answer(report)

    async def preview(self, report: Report, sizing: Sizing = NO_SIZING, *, refresh: bool = False) -> tuple[str, ...]:
        return (self._answer(report),)

    async def publish(self, pools: tuple[Pool, ...], report: Report) -> dict[str, str]:
        return {HOSTILE: self._answer(report)}

    async def deploy(self, pools: tuple[Pool, ...], tag: str, report: Report) -> dict[str, str]:
        return {HOSTILE: self._answer(report)}

    async def autoscale(self, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
        self._answer(report)

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        self._answer(report)

    async def status(self) -> FleetStatus:
        self.updates -= 1
        if not self.updates:
            raise ServiceError(HOSTILE)
        self._answer(lambda _line: None)
        return STATUS

    async def logs(
        self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None], task: str = ""
    ) -> None:
        self._answer(lambda line: write(HOSTILE, line))
        write(HOSTILE, json.dumps({"action": HOSTILE}, ensure_ascii=False))

    async def down(self, report: Report, *, delete_data: bool, grace: float = 0.0) -> None:
        self._answer(report)

    async def describe(self) -> str:
        return self._answer(lambda _line: None)

    def _answer(self, report: Report) -> str:
        if self.error:
            raise self.error
        report(HOSTILE)
        return HOSTILE


def run(monkeypatch: pytest.MonkeyPatch, *words: str, error: CloudKonError | None = None, keys: str = "y\n") -> Shown:
    target = HostileTarget()
    target.error = error
    monkeypatch.setattr(commands, "target_for", lambda _settings: target)
    monkeypatch.setattr(commands, "CLOUD_WATCH_SECONDS", 0.0)
    monkeypatch.setattr(sys, "argv", ["fleet", *words])
    with on_terminal(monkeypatch, keys) as shown:
        main_module.main()
    return shown[0]


def test_every_command_of_the_fleet_has_a_hostile_recipe() -> None:
    assert set(RECIPES) | WITHOUT_TARGET == set(fleet.commands)


@pytest.mark.parametrize("name", RECIPES)
def test_fleet_command_shows_hostile_text_as_escapes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run(monkeypatch, name, *RECIPES[name]).assert_harmless()


@pytest.mark.parametrize("name", RECIPES)
def test_fleet_command_shows_hostile_text_as_json(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run(monkeypatch, name, *RECIPES[name], "--json").assert_harmless()


@pytest.mark.parametrize("error", [ServiceError(HOSTILE), InvalidInput(HOSTILE, HOSTILE, HOSTILE)])
@pytest.mark.parametrize("name", RECIPES)
def test_fleet_error_is_shown_as_escapes(monkeypatch: pytest.MonkeyPatch, name: str, error: CloudKonError) -> None:
    run(monkeypatch, name, *RECIPES[name], error=error).assert_harmless()


@pytest.mark.parametrize("name", RECIPES)
def test_fleet_command_shows_a_hostile_option_as_escapes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run(monkeypatch, name, *RECIPES[name], f"--{HOSTILE}").assert_harmless()


def test_policy_shows_hostile_names_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "policy", HOSTILE).assert_harmless()
    for option in ("--fleet", "--account", "--region"):
        run(monkeypatch, "policy", "scale", option, HOSTILE).assert_harmless()


def test_fleet_command_that_does_not_exist_is_shown_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, HOSTILE).assert_harmless()


def test_fleet_status_that_is_watched_shows_hostile_text_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "status", "--watch").assert_harmless()


def test_fleet_preview_shows_hostile_text_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "up", "--dry-run").assert_harmless()
