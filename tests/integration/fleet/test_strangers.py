"""Other users and programs of the machine get nothing from a local fleet, even where it runs command lines."""

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trio

from cloudkon.aws import connect
from cloudkon.aws.emulator_save import save_emulator
from tests.integration.fleet.conftest import CommandLine
from tests.integration.fleet.test_whole_run import client
from tests.support.emulator import missing

pytestmark = pytest.mark.long

NOBODY = 65_534


@pytest.fixture
def public(whole: CommandLine) -> Iterator[CommandLine]:
    """A fleet that runs command lines, in a directory that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="cloudkon-public-") as name:
        Path(name).chmod(0o755)
        line = replace(whole, directory=Path(name), environment=whole.environment | {"CLOUDKON_ALLOW_EXEC": "yes"})
        before = os.umask(0o022)
        try:
            line.run("up")
            yield line
        finally:
            os.umask(before)
            line.run("down", "--delete-data")


def _post(line: CommandLine, path: str, body: str, kind: str) -> int:
    host = line.settings.service_endpoint().removeprefix("http://")
    connection = HTTPConnection(host, timeout=60)
    connection.request("POST", path, body, {"Content-Type": kind, "Origin": "http://evil.example"})
    status = connection.getresponse().status
    connection.close()
    return status


def test_strangers_requests_run_nothing_and_wipe_nothing(public: CommandLine) -> None:
    """The requests that the issue reproduced, and a task after them, so that theirs would have run before it."""
    ran = public.directory / "ran"
    message = f'{{"v": 1, "run": "theirs", "chunk": 0, "shards": 1, "first": 0, "tasks": ["exec touch {ran}"]}}'
    queue = f"{public.settings.service_endpoint()}/000000000000/cloudkon-worker"
    form = urlencode({"Action": "SendMessage", "QueueUrl": queue, "MessageBody": message})
    functions = "/2015-03-31/functions"
    code = (
        '{"FunctionName": "f", "Runtime": "python3.11", "Handler": "i.h", "Role": "arn:aws:iam::0:role/r", "Code": {}}'
    )
    assert _post(public, "/", form, "application/x-www-form-urlencoded") == 403
    assert _post(public, functions, code, "text/plain") == 403
    assert _post(public, f"{functions}/f/invocations", "{}", "text/plain") == 403
    assert _post(public, "/_ministack/reset", "", "text/plain") == 403
    public.run("scale", "1")
    workload = public.directory / "ours.txt"
    workload.write_text("exec echo ours\n")
    run = client(public, "push", str(workload)).strip()
    client(public, "check", run, "--wait")
    assert "ours" in client(public, "results", run)
    assert not ran.exists()


def test_other_users_can_read_no_file_of_the_fleet(public: CommandLine) -> None:
    if os.geteuid() != 0:
        missing("only root can become another user")
    public.run("scale", "1")
    (public.directory / "readable").touch()
    trio.run(connect(public.settings).store.put, "videos/a", b"ours", "video/mp4", {})
    trio.run(save_emulator, public.settings)
    snapshots = public.state_dir.snapshots
    # The snapshots of the moment are replaced while the test looks.
    kept = [one for one in public.state_dir.path.rglob("*") if one.is_file() and snapshots not in one.parents]
    assert {"secret-key", "local.json", "observed.json", "worker-1.log", "supervisor.log"} <= {
        path.name for path in kept
    }
    assert stat.S_IMODE(public.state_dir.path.stat().st_mode) == 0o700
    for path in [
        public.state_dir.path / "emulator",
        snapshots,
        *kept,
        _environment(public, "emulator"),
        _environment(public, "worker"),
    ]:
        assert not _can_read(path), path
    assert _can_read(public.directory / "readable")
    assert [path for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def _environment(line: CommandLine, name: str) -> Path:
    status = line.status()
    pid = status["emulator"]["pid"] if name == "emulator" else status["pools"]["worker"]["workers"][0]["pid"]
    return Path("/proc", str(pid), "environ")


def _can_read(path: Path) -> bool:
    done = subprocess.run(
        ["cat", str(path)], user=NOBODY, group=NOBODY, extra_groups=[], check=False, capture_output=True
    )
    return done.returncode == 0


def test_exec_tasks_get_no_secret_in_their_environment(public: CommandLine) -> None:
    secret = public.state_dir.secret()
    public.run("scale", "1")
    workload = public.directory / "env.txt"
    workload.write_text("exec env\n")
    run = client(public, "push", str(workload)).strip()
    client(public, "check", run, "--wait")
    output = client(public, "results", run, "--json")
    assert "PATH=" in output
    assert secret not in output


def test_users_own_aws_keys_are_neither_sent_nor_in_the_way(public: CommandLine) -> None:
    """The emulator's log would name the key that it refused, and these commands would fail."""
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "AWS_SESSION_TOKEN": "theirs",
        "AWS_PROFILE": "missing",
    }
    line = replace(public, environment=public.environment | keys)
    line.run("scale", "1")
    workload = public.directory / "one.txt"
    workload.write_text("sleep 0\n")
    run = client(line, "push", str(workload)).strip()
    client(line, "check", run, "--wait")
