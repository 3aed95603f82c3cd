"""``exec``: the output of a command line, how it ends, and that none of its processes is left."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from cloudkon.errors import InvalidInstruction
from cloudkon.handler import Context
from cloudkon.kernel import has_no_new_privileges
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.model.result import OUTPUT_LIMIT
from cloudkon.settings import Settings
from images.worker.handlers.exec_handler import CommandFailed, run_command
from images.worker.processes.command_client import GuardKilled, _Server
from images.worker.processes.interpreter import start_interpreter
from tests.support.memory_fleet import until
from tests.support.patience import PATIENCE
from tests.unit.worker.test_isolation import HAS_DOMAINS

SERVER = "$(cut -d' ' -f4 /proc/$PPID/stat)"
"""For a shell: the process id of the command server."""
NEEDS_SIGNALS = pytest.mark.skipif(
    has_no_new_privileges() and HAS_DOMAINS, reason="in a domain of its own, a command can not signal its guard"
)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(TaskId("run", 7), 2, "token", 0.0, str(tmp_path / "scratch"), Settings(), Log("error"))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before the file was opened, or read
        return False


async def wait_gone(pid: int) -> None:
    await until(lambda: not alive(pid), within=PATIENCE, step=0.02)


async def wait_pid(path: Path) -> int:
    await until(lambda: number_in(path), within=PATIENCE, step=0.02)
    return number_in(path)


def number_in(path: Path) -> int:
    """Return the number in a file, or 0."""
    return int((path.exists() and path.read_text().strip()) or 0)


async def test_output_is_the_standard_output(context: Context) -> None:
    assert await run_command("echo one; echo two >&2; echo three", context) == "one\nthree"


async def test_end_of_a_long_output_is_kept(context: Context) -> None:
    output = await run_command("seq 1 100000", context)
    assert output.endswith("99999\n100000")
    assert len(output) <= OUTPUT_LIMIT


@pytest.mark.parametrize("character", ["é", "€", "\N{CLAPPER BOARD}"])
async def test_long_output_stays_within_the_limit_in_any_script(context: Context, character: str) -> None:
    output = await run_command(f"echo x; printf '{character}%.0s' $(seq 5000)", context)
    assert OUTPUT_LIMIT - 8 < len(output.encode()) <= OUTPUT_LIMIT
    assert set(output) <= {character, "\N{REPLACEMENT CHARACTER}"}


async def test_binary_output_stays_within_the_limit(context: Context) -> None:
    output = await run_command("head -c 100000 /dev/urandom", context)
    assert len(output.encode()) <= OUTPUT_LIMIT


async def test_exit_code_is_a_failure_with_the_end_of_standard_error(context: Context) -> None:
    with pytest.raises(CommandFailed, match=r"^exit code 3: no such seed$"):
        await run_command("echo useless; echo no such seed >&2; exit 3", context)


@pytest.mark.parametrize(("number", "name"), [(11, "SIGSEGV"), (40, "SIGRTMIN+6"), (64, "SIGRTMAX")])
async def test_signal_is_a_failure_that_names_the_signal(context: Context, number: int, name: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        await run_command(f"kill -{number} $$", context)
    assert str(caught.value) == f"killed by {name}"


async def test_missing_command_is_named(context: Context) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 127: .*nosuchprogram"):
        await run_command("nosuchprogram --fast", context)


@pytest.mark.parametrize("arguments", ["", "echo \0"])
async def test_invalid_command_line_is_refused(context: Context, arguments: str) -> None:
    with pytest.raises(InvalidInstruction):
        await run_command(arguments, context)


async def test_command_runs_in_the_tasks_scratch_directory(context: Context) -> None:
    assert await run_command("pwd; ls", context) == str(context.scratch)


async def test_standard_input_is_empty(context: Context) -> None:
    assert await run_command("cat; wc -c", context) == "0"


async def test_environment_leads_to_no_credentials(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/hidden")
    monkeypatch.setenv("CLOUDKON_ENDPOINT_URL", "http://hidden")
    environment = await run_command("env", context)
    assert "hidden" not in environment
    assert "CLOUDKON_TASK=run/7" in environment
    assert "CLOUDKON_ATTEMPT=2" in environment


async def test_time_out_kills_the_command_and_its_children(context: Context, tmp_path: Path) -> None:
    command = f"(sleep 1000 & echo $! > {tmp_path}/deep; wait) & sh -c 'sleep 1000'; wait"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_command, command, context)
        deep = await wait_pid(tmp_path / "deep")
        nursery.cancel_scope.cancel()
    await wait_gone(deep)


async def test_background_process_is_neither_waited_for_nor_left(context: Context, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        assert await run_command(f"sleep 1000 & echo $! > {tmp_path}/pid; echo done", context) == "done"
    await wait_gone(await wait_pid(tmp_path / "pid"))


async def test_process_that_left_the_session_ends_with_the_command(context: Context, tmp_path: Path) -> None:
    command = (
        f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000' & while [ ! -s {tmp_path}/pid ]; do :; done; echo ok"
    )
    with trio.fail_after(PATIENCE):
        assert await run_command(command, context) == "ok"
    assert not alive(number_in(tmp_path / "pid"))


async def test_time_out_kills_processes_that_left_the_session(context: Context, tmp_path: Path) -> None:
    await cancel_when_written(daemon(tmp_path) + "; sleep 1000", context, tmp_path / "pid")
    assert not alive(number_in(tmp_path / "pid"))


async def test_program_that_starts_processes_without_end_is_killed_whole(context: Context, tmp_path: Path) -> None:
    spawner = f"while :; do (setsid sh -c 'echo $$ >> {tmp_path}/pids; sleep 1000' &); sleep 0.005; done"
    await cancel_when_written(f"echo $$ > {tmp_path}/pid; {spawner}", context, tmp_path / "pids")
    started = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert started
    assert not [pid for pid in started if alive(pid)]


@NEEDS_SIGNALS
async def test_command_that_kills_its_guard_fails_alone_and_leaves_nothing(context: Context, tmp_path: Path) -> None:
    with pytest.RaisesGroup(GuardKilled) if hasattr(pytest, "RaisesGroup") else pytest.raises(ExceptionGroup):
        await run_command(f"{daemon(tmp_path)}; kill -KILL $PPID; sleep 1000", context)
    await wait_gone(number_in(tmp_path / "pid"))
    assert await run_command("echo next", context) == "next"


async def test_command_after_the_server_was_killed_starts_another(context: Context) -> None:
    with pytest.raises(CommandFailed, match="exit code 9"):
        await run_command(f"kill -KILL {SERVER}; exit 9", context)
    assert await run_command("echo next", context) == "next"


async def test_command_after_an_idle_guard_was_killed_runs_under_another(context: Context) -> None:
    os.kill(int(await run_command("echo $PPID", context)), signal.SIGKILL)
    assert await run_command("echo next", context) == "next"


@NEEDS_SIGNALS
@pytest.mark.parametrize("again", ["", "while :; do kill -STOP $PPID; done & "], ids=["once", "again and again"])
async def test_command_that_stops_its_guard_ends_with_all_that_it_started(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    monkeypatch.setattr("images.worker.processes.guard_connection.KILL_SECONDS", 0.5 if again else PATIENCE)
    command = f"{daemon(tmp_path)}; {again}kill -STOP $PPID; echo $PPID > {tmp_path}/guard; sleep 1000"
    await cancel_when_written(command, context, tmp_path / "guard")
    await wait_gone(number_in(tmp_path / "pid"))
    await wait_gone(number_in(tmp_path / "guard"))
    assert await run_command("echo next", context) == "next"


async def test_command_waits_for_a_machine_that_can_start_no_process(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def start_later(*arguments: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401  (any)
        tries.append(arguments)
        if len(tries) < 3:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return start_interpreter(*arguments)

    monkeypatch.setattr("images.worker.processes.command_client.start_interpreter", start_later)
    assert await run_command("echo started", context) == "started"
    assert len(tries) == 3


async def test_command_after_an_idle_guard_was_stopped_runs_once_under_another(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = int(await run_command("echo $PPID", context))
    os.kill(guard, signal.SIGSTOP)
    monkeypatch.setattr("images.worker.processes.guard_connection.KILL_SECONDS", 0.2)
    assert await run_command(f"echo ran >> {tmp_path}/note; echo next", context) == "next"
    await wait_gone(guard)
    assert (tmp_path / "note").read_text() == "ran\n"


async def test_command_after_the_server_was_stopped_starts_another(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = _Server.end

    def end_and_be_patient(server: _Server) -> None:
        monkeypatch.setattr("images.worker.processes.guard_connection._START_SECONDS", PATIENCE)
        end(server)

    server, guard = (int(one) for one in (await run_command(f"echo {SERVER} $PPID", context)).split())
    os.kill(server, signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    monkeypatch.setattr("images.worker.processes.guard_connection._START_SECONDS", 0.2)
    monkeypatch.setattr(_Server, "end", end_and_be_patient)
    assert await run_command("echo next", context) == "next"
    await wait_gone(server)


async def test_end_of_one_command_ends_nothing_of_another(context: Context, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_command, f"{daemon(tmp_path)}; sleep 1000", context)
        pid = await wait_pid(tmp_path / "pid")
        for _ in range(2):
            assert await run_command("(setsid sleep 1000 &); echo other", context) == "other"
        assert alive(pid)
        nursery.cancel_scope.cancel()
    assert not alive(pid)


async def test_command_line_that_the_kernel_refuses_fails_with_the_reason(context: Context) -> None:
    with pytest.raises(CommandFailed, match=r"^exit code 126: can't be started: .*Argument list too long"):
        await run_command(f"true {'x' * 200_000}", context)
    assert await run_command("echo next", context) == "next"


@pytest.mark.parametrize(
    "program",
    [
        "while True:\n try: os.wait()\n except ChildProcessError: break",
        "os.fork() or os._exit(0)\nwhile True:\n try: os.wait()\n except ChildProcessError: break",
    ],
    ids=["no children", "one child"],
)
async def test_program_that_waits_for_all_its_children_has_only_its_own(context: Context, program: str) -> None:
    (context.scratch_directory() / "program.py").write_text(f"import os\n{program}\nprint('waited')")
    with trio.fail_after(PATIENCE):
        assert await run_command(f"exec {sys.executable} program.py", context) == "waited"


def daemon(tmp_path: Path) -> str:
    """Return a command line that starts a process in a session of its own and waits until ``pid`` has its number."""
    return f"(setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000' &); while [ ! -s {tmp_path}/pid ]; do :; done"


async def cancel_when_written(command: str, context: Context, note: Path) -> None:
    """Run a command line until it has written a file; return when the cancelled command has ended."""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_command, command, context)
            await until(lambda: note.exists() and bool(note.read_text()), within=PATIENCE, step=0.02)
            nursery.cancel_scope.cancel()


async def test_command_outlives_the_thread_that_started_it(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    # Trio ends threads that were idle for ten seconds; the kernel's death signal would be sent then.
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.1)
    assert await run_command("sleep 1; echo here", context) == "here"


def test_command_dies_with_its_worker(tmp_path: Path) -> None:
    program = f"""
import trio
from pathlib import Path
from cloudkon.log import Log
from cloudkon.settings import Settings
from cloudkon.model import TaskId
from cloudkon.handler import Context
from images.worker.processes.command_client import GuardKilled
from images.worker.handlers.exec_handler import run_command
context = Context(TaskId("run", 1), 1, "token", 0.0, {str(tmp_path / "scratch")!r}, Settings(), Log("error"))
trio.run(run_command, "sleep 1000 & echo $! > {tmp_path}/deep; echo $$ > {tmp_path}/shell; wait", context)
"""
    worker = subprocess.Popen([sys.executable, "-c", program])
    try:
        pids = [trio.run(wait_pid, tmp_path / name) for name in ("shell", "deep")]
    finally:
        worker.kill()
        worker.wait()
    for pid in pids:
        trio.run(wait_gone, pid)


async def test_guard_process_ends_with_the_command(context: Context) -> None:
    await run_command("true", context)
    await until(lambda: not processes_in(context.scratch), within=PATIENCE, step=0.02)


def processes_in(directory: Path) -> list[Path]:
    """Return the processes whose working directory this is."""
    return [one for one in Path("/proc").glob("[0-9]*/cwd") if is_working_in(one, directory)]


def is_working_in(link: Path, directory: Path) -> bool:
    try:
        return link.samefile(directory)
    except OSError:
        return False
