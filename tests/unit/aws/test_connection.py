"""Sessions, credentials and endpoints of a connection, and how it runs calls."""

import io
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders
from urllib3 import HTTPResponse

from cloudkon.aws import Connection
from cloudkon.errors import AccessDenied, InvalidSetting, NoFleet, Unavailable
from cloudkon.settings import Settings

EMULATOR = Settings(target="docker", endpoint_url="http://127.0.0.1:9")
AWS = Settings(target="aws", region="eu-north-1")
AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in AWS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def access_key(connection: Connection) -> str:
    client: Any = connection.client("sqs")
    credentials = client._request_signer._credentials
    return str(credentials.access_key) if credentials else ""


def test_emulator_never_gets_the_users_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    assert access_key(Connection(EMULATOR)) == "cloudkon"


def test_emulator_needs_no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "deleted-long-ago")
    (tmp_path / "config").write_text("not a [configuration")
    assert access_key(Connection(replace(EMULATOR, profile="deleted-long-ago"))) == "cloudkon"


def test_aws_gets_the_users_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    assert access_key(Connection(AWS)) == "AKIAREAL"
    assert access_key(Connection(replace(AWS, endpoint_url="https://vpce.example"))) == "AKIAREAL"


def test_endpoint_without_credentials_is_treated_as_an_emulator() -> None:
    assert access_key(Connection(replace(AWS, endpoint_url="http://127.0.0.1:9"))) == "cloudkon"


async def test_missing_credentials_on_aws_are_access_denied() -> None:
    connection = Connection(AWS)
    with pytest.raises(AccessDenied, match="AWS_PROFILE"):
        await connection.call(connection.client("sqs").list_queues)


def test_unknown_profile_is_an_invalid_setting() -> None:
    with pytest.raises(InvalidSetting, match="deleted-long-ago"):
        Connection(replace(AWS, profile="deleted-long-ago")).client("sqs")


def test_region_comes_from_the_profile_if_none_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[profile north]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    client = Connection(Settings(target="aws", profile="north")).client("sqs")
    assert client.meta.region_name == "eu-north-1"


def test_missing_region_is_an_invalid_setting() -> None:
    with pytest.raises(InvalidSetting, match="AWS_REGION"):
        Connection(Settings(target="aws")).client("sqs")


def test_malformed_endpoint_is_an_invalid_setting() -> None:
    with pytest.raises(InvalidSetting, match="AWS_ENDPOINT_URL"):
        Connection(replace(EMULATOR, endpoint_url="localhost")).client("sqs")


def test_local_target_needs_a_fleet_that_is_up(tmp_path: Path) -> None:
    with pytest.raises(NoFleet, match="python -m fleet up"):
        Connection(Settings(target="local", state_dir=tmp_path))


async def test_endpoint_without_a_server_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        connection = Connection(replace(EMULATOR, endpoint_url=endpoint))
        with pytest.raises(Unavailable, match="nothing answers there"):
            await connection.call(connection.client("sqs").list_queues)


async def test_proxy_of_the_environment_is_not_used_for_an_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    connection = Connection(EMULATOR)
    with pytest.raises(Unavailable, match="nothing answers there"):
        await connection.call(connection.client("sqs").list_queues)


@pytest.mark.parametrize("service", ["sqs", "dynamodb"])
async def test_sqs_and_dynamodb_calls_are_not_retried_by_the_client(service: str) -> None:
    connection = Connection(EMULATOR)
    client: Any = connection.client(service)
    attempts: list[str] = []

    def fail(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        attempts.append(request.url)
        return AWSResponse(request.url, 500, HTTPHeaders(), HTTPResponse(io.BytesIO(b"{}"), preload_content=False))

    client.meta.events.register("before-send", fail)
    with pytest.raises(Unavailable):
        await connection.call(client.list_queues if service == "sqs" else client.list_tables)
    assert len(attempts) == 1


async def test_each_service_has_one_client() -> None:
    connection = Connection(EMULATOR)
    found: set[object] = set()

    async def ask() -> None:
        found.add(await trio.to_thread.run_sync(lambda: connection.client("sqs")))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(ask)
    assert len(found) == 1


async def test_cancelled_call_returns_at_once() -> None:
    connection = Connection(EMULATOR)
    started, ended = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        ended.wait(60)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.call, block)
            await trio.to_thread.run_sync(started.wait)
            nursery.cancel_scope.cancel()
    ended.set()


async def test_cancelled_transfer_is_waited_for() -> None:
    connection = Connection(EMULATOR)
    started = threading.Event()
    cleaned: list[bool] = []

    def copy() -> None:
        started.set()
        try:
            while True:
                trio.from_thread.check_cancelled()
                threading.Event().wait(0.01)
        finally:
            cleaned.append(True)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.transfer, copy)
            await trio.to_thread.run_sync(started.wait)
            nursery.cancel_scope.cancel()
    assert cleaned == [True]


async def test_other_exceptions_pass_unchanged() -> None:
    def break_down() -> None:
        raise FileNotFoundError("a picture")

    with pytest.raises(FileNotFoundError, match="a picture"):
        await Connection(EMULATOR).call(break_down)


def test_settings_and_memory_adapters_import_no_boto3() -> None:
    program = "import cloudkon.settings, cloudkon.memory, sys; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_seconds_without_answer_grow_while_calls_run_and_none_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection = Connection(EMULATOR)
    answer = threading.Event()

    async def hang() -> None:
        await connection.call(answer.wait)

    async with trio.open_nursery() as nursery:
        assert connection.seconds_without_answer() == 0
        nursery.start_soon(hang)
        nursery.start_soon(hang)
        await trio.testing.wait_all_tasks_blocked()
        autojump_clock.jump(200)
        with trio.move_on_after(0):
            await connection.call(answer.wait)
        assert connection.seconds_without_answer() == 200, "a call that we cancelled has not ended"
        await connection.call(int)
        assert connection.seconds_without_answer() == 0
        autojump_clock.jump(7)
        assert connection.seconds_without_answer() == 7
        answer.set()
    assert connection.seconds_without_answer() == 0
