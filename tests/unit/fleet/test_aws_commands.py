"""Commands that only a cloud target has: they reach it, and other targets refuse them."""

import io
import json
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from cloudkon.model import Depth, Pool
from cloudkon.settings import Settings
from fleet.cli import commands
from fleet.cli.status_view import rendered
from fleet.status import CostStatus, FleetStatus, InstancesStatus, PoolStatus
from fleet.target import CloudTarget, Report
from fleet.target_options import NO_SIZING, AutoscaleRange, Sizing
from fleet.targets import target_for

STATUS = FleetStatus(
    fleet="some",
    target="aws",
    endpoint_url="",
    uptime_seconds=60,
    emulator=None,
    pools={
        "worker": PoolStatus(
            16,
            0,
            backlog=Depth(1000, 4, 0),
            dead_letters=0,
            counted=4,
            pending=12,
            oldest_seconds=75,
            scaling="0 to 64",
        )
    },
    place="account 123456789012 in eu-north-1",
    instances=InstancesStatus(wanted=4, most=8, running=2, registered=1, idle=0),
    cost=CostStatus(0.357, 0.0123, "list prices of us-east-1, 2026-06-17"),
)


class FakeCloud:
    """Records its calls."""

    # ruff: noqa: ARG002  (parameters of the port's methods that this fake does not use)

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def build(self, pools: tuple[Pool, ...], report: Report, platform: str = "") -> None:
        raise NotImplementedError

    async def up(self, report: Report, sizing: Sizing = NO_SIZING) -> str:
        self.asked.append(("up", sizing))
        return ""

    async def preview(self, report: Report, sizing: Sizing = NO_SIZING) -> tuple[str, ...]:
        self.asked.append(("preview", sizing))
        return ("some-compute: add Group (AWS::AutoScaling::AutoScalingGroup)",)

    async def publish(self, pools: tuple[Pool, ...], report: Report) -> dict[str, str]:
        self.asked.append(("publish", [pool.name for pool in pools]))
        return {pool.name: f"registry/{pool.name}:1" for pool in pools}

    async def deploy(self, pools: tuple[Pool, ...], tag: str, report: Report) -> dict[str, str]:
        self.asked.append(("deploy", [pool.name for pool in pools], tag))
        return {pool.name: f"registry/{pool.name}:{tag}" for pool in pools}

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        raise NotImplementedError

    async def autoscale(self, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
        self.asked.append(("autoscale", pool.name, wanted))

    async def status(self) -> FleetStatus:
        return STATUS

    async def logs(
        self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None], task: str = ""
    ) -> None:
        self.asked.append(("logs", lines, task))

    async def down(self, report: Report, *, delete_data: bool, grace: float = 0.0) -> None:
        self.asked.append(("down", delete_data, grace))

    async def describe(self) -> str:
        return "fleet 'some' on account 123456789012 in eu-north-1"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    monkeypatch.setattr(commands, "target_for", lambda _settings: fake)
    return fake


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_aws_is_a_cloud_target_and_local_is_not() -> None:
    assert isinstance(target_for(Settings(target="aws", region="eu-north-1")), CloudTarget)
    assert not isinstance(target_for(Settings()), CloudTarget)


def test_sizing_options_reach_up(cloud: FakeCloud, run: Callable[..., int]) -> None:
    assert run("up") == 0
    assert run("up", "--arm", "--spot", "70", "--subnets", "subnet-1, subnet-2", "--animoto-memory", "3000") == 0
    sizing = Sizing(architecture="arm64", spot=70, subnets=("subnet-1", "subnet-2"), memory={"animoto": 3000})
    assert cloud.asked == [("up", NO_SIZING), ("up", sizing)]


def test_dry_run_prints_the_changes_on_stdout(
    cloud: FakeCloud, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", "--dry-run", "--max-instances", "9") == 0
    assert cloud.asked == [("preview", Sizing(max_instances=9))]
    assert capsys.readouterr().out == "some-compute: add Group (AWS::AutoScaling::AutoScalingGroup)\n"


def test_images_are_published_and_deployed(
    cloud: FakeCloud, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("publish") == run("deploy", "--pool", "worker", "--tag", "abc", "--json") == 0
    assert cloud.asked == [("publish", ["worker", "animoto"]), ("deploy", ["worker"], "abc")]
    first, _, rest = capsys.readouterr().out.partition("{")
    assert first == "worker registry/worker:1\nanimoto registry/animoto:1\n"
    assert json.loads("{" + rest) == {"worker": "registry/worker:abc"}


def test_autoscale_sets_a_range_resumes_one_or_ends_it(
    cloud: FakeCloud, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("autoscale", "--min", "1", "--max", "16", "--per-worker", "50") == 0
    assert run("autoscale", "--pool", "animoto") == 0
    assert run("autoscale", "--max", "0") == 0
    assert cloud.asked == [
        ("autoscale", "worker", AutoscaleRange(1, 16, 50)),
        ("autoscale", "animoto", None),
        ("autoscale", "worker", AutoscaleRange(0, 0, 100)),
    ]
    assert capsys.readouterr().out.splitlines() == [
        "pool worker: 1 to 16 workers, one more for each 50 waiting messages",
        "pool animoto: scales by its backlog again",
        "pool worker: keeps its count",
    ]


def test_results_are_printed_as_json(
    cloud: FakeCloud, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> object:
        assert run(*arguments, "--json") == 0
        return json.loads(capsys.readouterr().out)

    assert said("up") == {"endpoint_url": ""}
    assert said("up", "--dry-run") == {"changes": ["some-compute: add Group (AWS::AutoScaling::AutoScalingGroup)"]}
    assert said("autoscale", "--max", "4") == {"pool": "worker", "min": 0, "max": 4, "per_worker": 100}
    assert said("autoscale", "--pool", "animoto") == {"pool": "animoto", "resumed": True}
    assert said("down", "--yes", "--delete-data") == {"data_deleted": True}


def test_down_asks_and_accepts_no(
    cloud: FakeCloud, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert run("down", "--delete-data") == 130
    assert "account 123456789012" in capsys.readouterr().err
    assert cloud.asked == []
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert run("down", "--delete-data", "--grace", "90") == 0
    assert cloud.asked == [("down", True, 90.0)]


def test_down_without_terminal_refuses_to_ask(
    cloud: FakeCloud, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run("down") == 2
    assert "Pass --yes" in capsys.readouterr().err
    assert run("down", "--yes") == 0
    assert cloud.asked == [("down", False, 0.0)]


def test_logs_of_one_task_reach_the_target(cloud: FakeCloud, run: Callable[..., int]) -> None:
    assert run("logs", "--task", "run/7") == 0
    assert cloud.asked == [("logs", 20, "run/7")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--dry-run"], "--dry-run: only target aws supports this"),
        (["up", "--arm"], "options for instances"),
        (["publish"], "publish"),
        (["deploy"], "deploy"),
        (["autoscale", "--max", "4"], "autoscale"),
        (["logs", "--task", "run/7"], "--task"),
        (["down", "--grace", "5"], "--grace"),
        (["up", "--spot", "101"], "percentage"),
    ],
)
def test_other_targets_refuse_cloud_commands(
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.delenv("CLOUDKON_TARGET", raising=False)
    monkeypatch.setattr(commands, "target_for", lambda _settings: object())
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_invalid_range_never_reaches_the_target(cloud: FakeCloud, run: Callable[..., int]) -> None:
    assert run("autoscale", "--min", "5", "--max", "4") == 2
    assert run("autoscale", "--max", "-4") == 2
    assert run("autoscale", "--min", "2") == 2
    assert run("autoscale", "--per-worker", "5") == 2
    assert run("deploy", "--tag", "abc") == 2
    assert cloud.asked == []


def test_status_shows_instances_and_cost(
    cloud: FakeCloud, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["instances"] == {"wanted": 4, "most": 8, "running": 2, "registered": 1, "idle": 0}
    assert found["cost"]["hour"] == 0.357
    worker = found["pools"]["worker"]
    assert (worker["desired"], worker["running"], worker["pending"], worker["oldest_seconds"]) == (16, 4, 12, 75)
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(rendered(STATUS))
    text = capture.get()
    assert "4 of 16" in text
    assert "1 min 15 s" in text
    assert "2 running, 4 desired, 8 allowed, 1 registered, 0 idle" in text
    assert "$0.36 an hour now, $0.0123 per 1,000 tasks (list prices of us-east-1, 2026-06-17)" in text
    assert "account 123456789012" in text
