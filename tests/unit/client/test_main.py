"""Tests of the program as a process, with invalid input and without a fleet."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "client"]


@pytest.fixture
def environment() -> dict[str, str]:
    plain = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "CLOUDKON_"))}
    return plain | {"PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"}


def start(*arguments: str, where: Path, environment: dict[str, str], given: bytes = b"") -> tuple[int, str, str]:
    ended = subprocess.run(
        [*PROGRAM, *arguments], cwd=where, env=environment, input=given, capture_output=True, check=False, timeout=240
    )
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["push"], "workload.txt does not exist. Make one with: python -m client generate"),
        (["push", "missing.txt"], "missing.txt: no such file"),
        (["push", "empty.txt"], "empty.txt: it has no instructions"),
        (["push", "good.txt", "--chunk", "0"], "--chunk 0: a chunk holds 1 to 1,000 tasks"),
        (["push", "good.txt"], "no local fleet is up here. Start one with: python -m fleet up"),
        (["push", "good.txt", "--run", "x"], "no local fleet is up here"),
        (["generate", "3", "sleep", "-5"], "sleep -5: the milliseconds must be 0 to"),
        (["generate", "3", "sleep", "soon"], "'soon' is not a number of milliseconds"),
        (["generate", "3", "slep", "5"], "instruction 'slep': no handler accepts it. Known: sleep"),
        (["generate", "-3", "sleep", "5"], "COUNT -3: it must be at least 1"),
        (["check"], "no local fleet is up here"),
        (["results", "3a4f0c1b2c3"], "no local fleet is up here"),
        (["pull"], "no local fleet is up here"),
        (["runs"], "no local fleet is up here"),
        (["watch", "--every", "0"], "--every 0: it must be at least 1"),
        (["dlq", "drop", "--all"], "stdin is not a terminal. Pass --yes to confirm"),
        (["push", "good.txt", "--duration", "soon"], "duration 'soon': not a duration. Write it as: 20ms"),
        (["push", "good.txt", "--set", "jobs"], "--set 'jobs': it is not NAME=FILE"),
        (["animoto", "3"], "no pictures are given. Give links"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(
    arguments: list[str], text: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "good.txt").write_text("sleep 1\n")
    code, stdout, stderr = start(*arguments, where=tmp_path, environment=environment)
    assert (code, stdout) == (2, "")
    [line] = stderr.splitlines()
    assert line.startswith("error: ")
    assert text in line


def test_every_bad_line_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    code, _, stderr = start("push", "-", where=tmp_path, environment=environment, given=b"sleep 1\nslep\nsleep -1\n")
    assert code == 2
    head, first, second = stderr.splitlines()
    assert head == "error: standard input: 2 problems in 3 lines; nothing was sent"
    assert first.startswith("  line 2: instruction 'slep'")
    assert second.startswith("  line 3: sleep -1")


def test_bad_setting_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    code, _, stderr = start("check", where=tmp_path, environment=environment | {"CLOUDKON_TARGET": "moon"})
    assert code == 2
    assert "CLOUDKON_TARGET" in stderr


def test_unreachable_endpoint_is_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "workload.txt").write_text("sleep 1\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        unreachable = f"http://127.0.0.1:{taken.getsockname()[1]}"
    code, stdout, stderr = start("push", where=tmp_path, environment=environment | {"AWS_ENDPOINT_URL": unreachable})
    assert (code, stdout) == (1, "")
    [line] = stderr.splitlines()
    assert unreachable in line


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["frobnicate"], "error: No such command 'frobnicate'. See: python -m client --help\n"),
        (
            ["check", "--wiat"],
            "error: No such option '--wiat'. Did you mean '--wait'? See: python -m client check --help\n",
        ),
        (["generate"], "error: Missing argument 'COUNT'. See: python -m client generate --help\n"),
        (["watch", "--every", "nan"], "error: --every nan: it must be at least 1\n"),
        (
            ["generate", "1", "sleep", "1", "-o", "no/file"],
            "error: --output no/file: folder no does not exist. Create it first\n",
        ),
        (["generate", "1", "sleep", "1", "-o", "."], "error: --output .: this is a folder. Name a file in it\n"),
    ],
)
def test_mistyped_command_line_is_one_line_with_the_help_command(
    arguments: list[str], text: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert start(*arguments, where=tmp_path, environment=environment) == (2, "", text)


def test_closed_standard_streams_do_not_change_the_exit_code(tmp_path: Path, environment: dict[str, str]) -> None:
    """``nohup``, cron and ``>&-`` start programs whose standard streams are closed."""
    for words, code in ((["--help"], 0), (["bench", "--dry-run"], 0), (["push", "-"], 2), (["runs"], 2)):
        line = " ".join([*map(shlex.quote, [*PROGRAM, *words]), "<&- >&- 2>&-"])
        assert subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, env=environment, check=False).returncode == code


def test_unencodable_characters_are_written_as_escapes(tmp_path: Path, environment: dict[str, str]) -> None:
    narrow = environment | {"PYTHONIOENCODING": "latin-1"}
    code, _, stderr = start("generate", "1", "check✓", where=tmp_path, environment=narrow)
    assert code == 2
    assert r"instruction 'check\u2713'" in stderr
    code, stdout, _ = start("generate", "1", "exec", "echo é ✓", "-o", "-", where=tmp_path, environment=narrow)
    assert (code, stdout) == (0, "exec echo é ✓\n"), "a workload is always UTF-8"


def test_ctrl_c_during_the_import_is_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    beside = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"}
    code, stdout, stderr = start("check", where=tmp_path, environment=environment | beside)
    assert (code, stdout) == (130, "")
    assert stderr == "error: interrupted. You can run the same command again\n"


def test_help_needs_neither_settings_nor_boto3(tmp_path: Path, environment: dict[str, str]) -> None:
    code = "import sys; from client.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    asked = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"CLOUDKON_TARGET": "moon"},
        capture_output=True,
        check=True,
        text=True,
        timeout=240,
    )
    helped, _, modules = asked.stdout.rpartition("\n[")
    assert "python -m client check --wait" in helped
    assert not {"'boto3'", "'trio'", "'rich'"} & set(modules.rstrip("]\n").split(", "))


@pytest.mark.parametrize("command", ["generate", "animoto", "push", "check", "results", "pull", "cancel"])
def test_each_command_has_help(command: str, tmp_path: Path, environment: dict[str, str]) -> None:
    code, stdout, _ = start(command, "--help", where=tmp_path, environment=environment)
    assert code == 0
    assert stdout.startswith(f"Usage: python -m client {command}")


def test_reader_that_exits_early_causes_no_error_text(tmp_path: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*PROGRAM, "generate", "10000000", "sleep", "1", "-o", "-"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"sleep 1\n"
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.fixture
def silent_endpoint() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_push_prints_how_to_resume(
    number: signal.Signals, tmp_path: Path, environment: dict[str, str], silent_endpoint: socket.socket
) -> None:
    (tmp_path / "workload.txt").write_text("sleep 1\n")
    endpoint = f"http://127.0.0.1:{silent_endpoint.getsockname()[1]}"
    with subprocess.Popen(
        [*PROGRAM, "push"],
        cwd=tmp_path,
        env=environment | {"AWS_ENDPOINT_URL": endpoint},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        connection, _ = silent_endpoint.accept()
        with connection:
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=240)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "error: interrupted. Push the same workload again to resume\n"


def test_interrupt_while_reading_causes_no_traceback(tmp_path: Path, environment: dict[str, str]) -> None:
    code = "import os, signal, sys; from client.cli.main import main; sys.exit(main(['push', '-']))"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        # More than a pipe holds: when the write returns, the program is reading.
        process.stdin.write(b"sleep 1\n" * 100_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        stderr = process.stderr.read().decode()
        process.stdin.close()
    assert process.returncode == 130
    assert stderr.strip() == "error: interrupted. You can run the same command again"
