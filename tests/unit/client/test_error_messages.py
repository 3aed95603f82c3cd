"""Tests that each command reports each kind of trouble in one line, with the right exit code and no traceback."""

import errno
import io
import re
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
import pytest
import trio
from PIL import Image

from client.cli.main import COMMANDS, main
from client.cli.session import Session
from cloudkon.errors import (
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_OK,
    AccessDenied,
    CloudKonError,
    MalformedMessage,
    NewerVersion,
    NoFleet,
)
from cloudkon.memory import MemoryLedger
from cloudkon.model import POOLS, Result, Run, TaskId, TaskState
from cloudkon.ports import Services
from cloudkon.settings import Settings
from tests.support.client_doubles import record_results, succeeded
from tests.support.closed_output import ended_unread
from tests.unit.client.commands import Client, read_run
from tests.unit.client.commands import push as push_some

OF_A_RUN = {
    "watch": ["watch", "RUN"],
    "check": ["check", "RUN"],
    "check --wait": ["check", "RUN", "--wait"],
    "results": ["results", "RUN"],
    "results --csv": ["results", "RUN", "--csv"],
    "results --instruction": ["results", "RUN", "--instruction", "sleep *"],
    "failures": ["failures", "RUN"],
    "retry": ["retry", "RUN"],
    "pull": ["pull", "RUN"],
    "cancel": ["cancel", "RUN"],
    "push --run": ["push", "--run", "RUN"],
}
OF_THE_FLEET = {
    "push": ["push"],
    "push --priority": ["push", "--priority", "high"],
    "animoto": ["animoto", "1", "--from", "picture.png"],
    "runs": ["runs"],
    "status": ["status"],
    "dlq list": ["dlq", "list"],
    "dlq show": ["dlq", "show", "abcd"],
    "dlq redrive": ["dlq", "redrive"],
    "dlq drop": ["dlq", "drop", "--all", "--yes"],
    "purge": ["purge", "--yes"],
}
ALL = OF_A_RUN | OF_THE_FLEET
READING = ["watch", "check", "results", "results --csv", "failures", "runs", "status"]
ELSEWHERE = {"generate", "slideshow", "completion", "bench"}
"""Commands that use no fleet, or have tests of their own."""


class Troubled:
    """A stand-in for any service: every call fails with the same error."""

    def __init__(self, error: CloudKonError) -> None:
        self._error = error

    def address(self, key: str) -> str:
        return f"s3://bucket/{key}"

    async def _all(self, *_arguments: object) -> AsyncGenerator[object, None]:
        await trio.lowlevel.checkpoint()
        for nothing in cast("tuple[object, ...]", ()):
            yield nothing
        raise self._error

    runs = records = list = _all

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*_arguments: object) -> object:
            await trio.lowlevel.checkpoint()
            raise self._error

        return call


def troubled(error: CloudKonError) -> Services:
    service = cast("Any", Troubled(error))
    queues = {pool.name: service for pool in POOLS}
    return Services(queues, queues, service, service, service, high_queues=queues)


class Trouble(NamedTuple):
    error: CloudKonError
    code: int


TROUBLES = {
    "no fleet": Trouble(NoFleet("fleet 'cloudkon'", "no local fleet is up here", "python -m fleet up"), EXIT_BAD_INPUT),
    "wrong region": Trouble(NoFleet("fleet 'cloudkon'", "it is not in eu-north-1", "Set AWS_REGION"), EXIT_BAD_INPUT),
    "expired credentials": Trouble(AccessDenied("ExpiredToken: sign in again"), EXIT_FAILED),
}


@pytest.fixture
def run(client: Client, capsys: pytest.CaptureFixture[str]) -> str:
    Image.new("RGB", (8, 8)).save("picture.png")
    run = push_some(client, capsys)
    capsys.readouterr()
    return run


@pytest.fixture
def ended(services: Services, run: str) -> str:
    """The run after all its tasks succeeded."""
    found = read_run(services, run)
    trio.run(record_results, services, found, succeeded(found, range(20)))
    return run


def arguments_for(words: list[str], run: str) -> list[str]:
    return [run if word == "RUN" else word for word in words]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one error line that was printed."""
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, printed.err
    assert printed.err.splitlines()[-1] == errors[0], "the error is the last line"
    return errors[0]


def test_every_command_is_covered() -> None:
    assert {words[0] for words in ALL.values()} | ELSEWHERE == set(COMMANDS)


@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("command", ALL)
def test_missing_fleet_is_one_line(
    client: Client, run: str, command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trouble = TROUBLES[name]
    assert client(*arguments_for(ALL[command], run), fleet=troubled(trouble.error)) == trouble.code
    assert str(trouble.error) in one_line(capsys)


@pytest.mark.parametrize("command", ALL)
def test_fleet_never_started_is_one_line_with_the_remedy(
    run: str, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDKON_TARGET", "local")
    for name in ("AWS_ENDPOINT_URL", "CLOUDKON_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main(arguments_for(ALL[command], run), Session(Settings())) == EXIT_BAD_INPUT
    assert "python -m fleet up" in one_line(capsys)


@pytest.mark.parametrize("command", OF_A_RUN)
def test_unknown_run_is_one_line(client: Client, run: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for unknown in ("37000000000", "no/run", "x" * 300, "é"):
        assert client(*arguments_for(OF_A_RUN[command], unknown)) == EXIT_BAD_INPUT
        assert "has no such run" in one_line(capsys)


@pytest.mark.parametrize("command", OF_A_RUN)
@pytest.mark.parametrize("error", [NewerVersion, MalformedMessage])
def test_unreadable_run_is_one_line(
    client: Client,
    services: Services,
    run: str,
    error: type[MalformedMessage],
    command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Newer(MemoryLedger):
        async def read_run(self, run_id: str) -> Run | None:
            await trio.lowlevel.checkpoint()
            raise error(f"the ledger's item of run {run_id} has version 9")

    code = client(*arguments_for(OF_A_RUN[command], run), fleet=replace(services, ledger=Newer()))
    printed = one_line(capsys)
    assert "version 9" in printed
    if error is NewerVersion:
        assert code == EXIT_BAD_INPUT
        assert "newer version of this client" in printed
    else:
        assert code == EXIT_FAILED


@pytest.mark.parametrize("command", sorted(set(OF_A_RUN) - {"check --wait", "watch"}))
def test_untouched_run_on_a_fleet_at_zero_is_no_error(
    client: Client, run: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = client(*arguments_for(OF_A_RUN[command], run))
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    wanted = {"check": EXIT_FAILED, "retry": EXIT_BAD_INPUT}.get(command, EXIT_OK)
    assert code == wanted, printed.err
    if command == "retry":
        assert "it has no task to retry" in printed.err


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff\x00\xfe")


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize("spoil", [_binary, _folder])
@pytest.mark.parametrize("command", ["check", "results", "cancel", "push", "pull", "runs", "status"])
def test_unreadable_push_records_are_one_line_or_ignored(
    client: Client, run: str, command: str, spoil: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """This machine's push records are unreadable: commands that need them report it, the others work."""
    for path in [one for one in Path(".cloudkon/pushes").rglob("*") if one.is_file()]:
        spoil(path)
    words = [word for word in ALL[command] if word != "RUN"]
    code = client(*words)
    if code == EXIT_OK:
        assert command in ("push", "runs", "status")
        assert "Traceback" not in capsys.readouterr().err
    else:
        assert ".cloudkon" in one_line(capsys)


@pytest.mark.parametrize("command", ["push", "retry", "generate", "pull", "results"])
def test_full_disk_is_one_line_with_the_remedy(
    client: Client,
    ended: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_arguments: object, **_more: object) -> object:
        return Path("/dev/full").open("wb", buffering=0)

    def no_room(_path: Path) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    words = arguments_for(ALL.get(command, []), ended)
    match command:
        case "generate":
            words = ["generate", "100000", "sleep", "1", "-o", "/dev/full"]
        case "results":
            monkeypatch.setattr(sys, "stdout", full_text := Path("/dev/full").open("w"))  # noqa: SIM115  (closed below)
        case "pull":
            monkeypatch.setattr("client.results.pull_manifest.Journal", no_room)
        case _:
            monkeypatch.setattr("tempfile.TemporaryFile", full)
    code = client(*words)
    monkeypatch.undo()
    if command == "results":
        with pytest.raises(OSError, match="No space left"):
            full_text.close()
    if command == "retry":
        assert code == EXIT_BAD_INPUT, "the command first finds that no task failed"
        return
    assert code == EXIT_FAILED
    assert "No space left on device. Make room here, in .cloudkon or in " in one_line(capsys)


@pytest.mark.parametrize("command", READING)
def test_output_fits_sixty_columns_without_colour(
    client: Client,
    ended: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"COLUMNS": "60", "NO_COLOR": "1", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    client(*arguments_for(ALL[command], ended))
    printed = capsys.readouterr().out
    assert not re.search(r"\x1b\[(3[0-8]|9[0-7])", printed), "no colour"
    if command in ("check", "watch"):
        table = [line for line in click.unstyle(printed).splitlines() if set(line) & set("│┃━─")]
        assert table
        assert max(map(len, table)) <= 60
        assert "succeeded" in printed


@pytest.mark.parametrize("command", READING)
def test_early_closed_pipe_ends_the_command_silently(
    client: Client,
    ended: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = ended_unread(lambda: client(*arguments_for(ALL[command], ended)), monkeypatch)
    if command == "failures":
        # No task failed: it prints nothing on standard output.
        assert code == EXIT_OK
        return
    assert code == EXIT_FAILED
    printed = capsys.readouterr().err
    assert "error" not in printed
    assert "Traceback" not in printed


def test_dumb_terminal_is_shown_lines(
    client: Client,
    services: Services,
    run: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in an editor's shell: a live display can't be redrawn there, and would be visible only at the end."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    trio.run(record_results, services, read_run(services, run), succeeded(read_run(services, run), range(20)))
    assert client("watch", run) == EXIT_OK
    assert re.search(r"^\d\d:\d\d:\d\d  20 of 20 \(100.0 %\)", capsys.readouterr().out)


@pytest.mark.parametrize("form", [[], ["--csv"]])
def test_narrow_character_set_is_written_with_escapes(
    client: Client, services: Services, run: str, form: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task's output has characters that the encoding does not have."""
    result = Result(TaskId(run, 0), TaskState.SUCCEEDED, output="done ✓")
    trio.run(record_results, services, read_run(services, run), [result])
    with monkeypatch.context() as patched:
        written = io.BytesIO()
        patched.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
        assert client("results", run, *form) == EXIT_OK
        assert rb"done \u2713" in written.getvalue()
