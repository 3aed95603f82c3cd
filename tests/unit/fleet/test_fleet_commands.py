"""The command line calls the target, and prints results and errors with their exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cloudkon.errors import CloudKonError, NoFleet, ServiceError
from cloudkon.model import POOLS, Depth, Pool
from cloudkon.settings import Settings
from fleet.cli import commands
from fleet.cli.output import line_writer
from fleet.cli.status_view import duration, rendered
from fleet.status import EmulatorStatus, FleetStatus, PoolStatus, WorkerStatus
from fleet.target import Report
from fleet.targets import target_for
from tests.support.closed_output import ended_unread

STATUS = FleetStatus(
    fleet="some",
    target="local",
    endpoint_url="http://127.0.0.1:4566",
    uptime_seconds=3725.04,
    emulator=EmulatorStatus(12, 1),
    pools={
        "worker": PoolStatus(
            3, 2, (WorkerStatus("worker-1", 7, 1.234, 2, stopping=False),), Depth(12345, 6, 0), dead_letters=1
        ),
        "animoto": PoolStatus(0, 0),
    },
    problems=("worker-2 does not stay up",),
    notes=("1 belongs to a compose file",),
)


class FakeTarget:
    """Records its calls, and raises ``error`` if that is set."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.error: BaseException | None = None

    async def build(self, pools: tuple[Pool, ...], report: Report, platform: str = "") -> None:  # noqa: ARG002  (the port's)
        self._record(("build", [pool.name for pool in pools], platform))

    async def up(self, report: Report) -> str:
        self._record("up")
        report("installing")
        return "http://127.0.0.1:4566"

    async def scale(self, pool: Pool, count: int, report: Report) -> None:  # noqa: ARG002  (the port's)
        self._record((pool.name, count))

    async def status(self) -> FleetStatus:
        self._record("status")
        return STATUS

    async def logs(self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        self._record((pool, lines, follow))
        write("worker-1", "hello")

    async def down(self, report: Report, *, delete_data: bool) -> None:  # noqa: ARG002  (the port's)
        self._record(("down", delete_data))

    def _record(self, call: object) -> None:
        self.calls.append(call)
        if self.error:
            raise self.error


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    fake = FakeTarget()
    monkeypatch.setattr(commands, "target_for", lambda _settings: fake)
    return fake


def test_progress_goes_to_stderr_and_the_result_to_stdout(
    target: FakeTarget, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up") == 0
    out, err = capsys.readouterr()
    assert out == "http://127.0.0.1:4566\n"
    assert "installing" in err


def test_scale_accepts_a_pool_and_a_count(target: FakeTarget, run: Callable[..., int]) -> None:
    assert run("scale", "4") == 0
    assert run("scale", "0", "--pool", "animoto") == 0
    assert target.calls == [("worker", 4), ("animoto", 0)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scale", "-1"], "count -1"),
        (["scale", "many"], "'many' is not a valid integer"),
        (["scale"], "Missing argument 'COUNT'"),
        (["scale", "1", "--pool", "gpu"], "pool 'gpu': there is no such pool. Pools: worker, animoto"),
        (["logs", "--pool", "gpu"], "no such pool"),
        (["status", "--pool", "gpu"], "no such pool"),
        (["build", "--pool", "gpu"], "no such pool"),
        (["build", "--platform", "linux/386"], "Give linux/amd64 or linux/arm64"),
        (["logs", "-n", "-1"], "-1 is not in the range"),
        (["status", "--json", "--watch"], "can't be combined"),
        (["fly"], "No such command 'fly'"),
        (["down", "--now"], "No such option"),
    ],
)
def test_invalid_arguments_are_one_line_and_exit_code_2(
    target: FakeTarget, run: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert err.startswith("error: ")
    assert (out, err.count("\n")) == ("", 1)
    assert target.calls == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoFleet("fleet 'x'", "no local fleet is up here", "Start one"), 2),
        (ServiceError("stack 'x' is ROLLBACK_COMPLETE"), 1),
        (BaseExceptionGroup("several", [ServiceError("stack 'x'"), KeyboardInterrupt()]), 130),
        (ExceptionGroup("one", [ExceptionGroup("in one", [CloudKonError("stack 'x'")])]), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(
    target: FakeTarget,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
) -> None:
    target.error = error
    assert run("status") == code
    assert "Traceback" not in capsys.readouterr().err


def test_closed_stdout_is_a_failure_without_traceback(
    target: FakeTarget, run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended_unread(lambda: run("up"), monkeypatch) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_bug_of_our_own_is_not_hidden(target: FakeTarget, run: Callable[..., int]) -> None:
    target.error = ExceptionGroup("one", [ZeroDivisionError()])
    with pytest.raises(ZeroDivisionError):
        run("status")


def test_build_makes_all_images_or_one_pools(target: FakeTarget, run: Callable[..., int]) -> None:
    assert run("build") == run("build", "--pool", "animoto") == 0
    assert run("build", "--platform", "arm64") == 0
    assert target.calls == [
        ("build", ["worker", "animoto"], ""),
        ("build", ["animoto"], ""),
        ("build", ["worker", "animoto"], "linux/arm64"),
    ]


def test_status_in_json_has_every_count(
    target: FakeTarget, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["uptime_seconds"] == 3725.0
    assert found["emulator"] == {"pid": 12, "restarts": 1}
    assert found["problems"] == ["worker-2 does not stay up"]
    assert found["notes"] == ["1 belongs to a compose file"]
    worker = found["pools"]["worker"]
    assert {key: worker[key] for key in ("desired", "running", "visible", "in_flight", "delayed", "dead_letters")} == {
        "desired": 3,
        "running": 1,
        "visible": 12345,
        "in_flight": 6,
        "delayed": 0,
        "dead_letters": 1,
    }
    assert found["pools"]["animoto"]["visible"] is None


def test_status_of_one_pool_shows_only_this_pool(
    target: FakeTarget, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", "--pool", "animoto", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)["pools"]) == {"animoto"}
    assert run("status", "--pool", "animoto") == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows[0].startswith("animoto")
    assert not any(row.startswith("worker ") for row in rows)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["build", "--pool", "worker"], {"pools": ["worker"]}),
        (["up"], {"endpoint_url": "http://127.0.0.1:4566"}),
        (["scale", "4"], {"pool": "worker", "running": 4}),
        (["down"], {"data_deleted": False}),
        (["logs"], {"worker": "worker-1", "said": "hello"}),
    ],
)
def test_every_command_prints_json(
    target: FakeTarget,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    found: object,
) -> None:
    assert run(*arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out) == found


def test_json_log_line_is_an_object_in_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    write = line_writer(as_json=True)
    write("worker-1", '{"action": "started"}')
    write("worker-1", "7")
    assert [json.loads(line)["said"] for line in capsys.readouterr().out.splitlines()] == [{"action": "started"}, "7"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_log_line_that_is_no_json_stays_as_it_was_said(capsys: pytest.CaptureFixture[str], number: str) -> None:
    """Python reads these numbers, and would print them as no other program reads JSON."""
    line_writer(as_json=True)("worker-1", f'{{"seconds": {number}}}')
    shown = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert shown == {"worker": "worker-1", "said": f'{{"seconds": {number}}}'}


def test_status_for_people_fits_a_narrow_terminal_and_shows_problems() -> None:
    console = Console(width=60, color_system=None)
    with console.capture() as capture:
        console.print(rendered(STATUS))
    text = capture.get()
    assert "1 of 3" in text
    assert "12,345" in text
    assert "1 h 2 min" in text
    assert "! worker-2 does not stay up" in text
    assert "\n1 belongs to a compose file" in text
    assert "?" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0 s"), (59, "59 s"), (185, "3 min 5 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")]
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_logs_name_the_worker_of_each_line(
    target: FakeTarget, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("logs", "-n", "5") == 0
    assert capsys.readouterr().out == "worker-1 | hello\n"
    assert target.calls == [(None, 5, False)]


def test_down_keeps_data_without_delete_data(target: FakeTarget, run: Callable[..., int]) -> None:
    assert run("down") == run("down", "--delete-data") == 0
    assert target.calls == [("down", False), ("down", True)]


def test_docker_target_has_its_own_endpoint_unless_one_is_set() -> None:
    assert target_for(Settings(target="docker"))
    assert Settings(target="docker").service_endpoint() == "http://127.0.0.1:4566"
    given = Settings(target="docker", endpoint_url="http://localstack:4566")
    assert given.service_endpoint() == "http://localstack:4566"


async def test_local_target_reports_that_it_needs_no_images(tmp_path: Path) -> None:
    reported: list[str] = []
    await target_for(Settings(state_dir=tmp_path)).build(POOLS, reported.append)
    assert "needs no images" in reported[0]


def test_local_target_refuses_a_given_endpoint(tmp_path: Path) -> None:
    with pytest.raises(CloudKonError, match="AWS_ENDPOINT_URL"):
        target_for(Settings(endpoint_url="http://localhost:4566", state_dir=tmp_path))
