"""The local fleet's emulator answers its owner's programs only, and runs nothing even for them."""

import hashlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import pytest
import trio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from cloudkon.aws import connect
from cloudkon.aws.server_proof import UnprovenServer
from cloudkon.aws.sessions import EMULATOR_ACCESS_KEY
from cloudkon.errors import EXIT_FAILED
from cloudkon.model import Outgoing
from cloudkon.settings import ANY_SECRET, SECRET_FILE, Settings
from tests.support.emulator import deploy, emulator
from tests.support.patience import PATIENCE

JSON = "application/x-amz-json-1.0"
LAMBDA = "/2015-03-31/functions"


@dataclass(frozen=True)
class Stranger:
    """Sends requests as any program of the machine can, or any web page."""

    endpoint: str

    @property
    def host(self) -> str:
        return self.endpoint.removeprefix("http://")

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        with closing(HTTPConnection(self.host, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()

    def signed(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        service: str = "sqs",
    ) -> dict[str, str]:
        """Return the headers with which botocore signs such a request."""
        request = AWSRequest(method, self.endpoint + path, headers={"Host": self.host, **(headers or {})}, data=body)
        SigV4Auth(Credentials(EMULATOR_ACCESS_KEY, ANY_SECRET), service, "us-east-1").add_auth(request)
        return dict(request.headers.items())


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with emulator() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def settings(endpoint: str) -> Settings:
    return deploy(endpoint, "guarded")


@pytest.fixture
def stranger(settings: Settings) -> Stranger:
    return Stranger(settings.endpoint_url)


def _depth(settings: Settings) -> int:
    return trio.run(connect(settings).queues["worker"].depth).visible


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("POST", "/_ministack/reset", b"", "text/plain"),
        ("POST", "/_ministack/config", b'{"lambda_svc.LAMBDA_EXECUTOR": "local"}', "text/plain"),
        ("GET", "/_localstack/health", b"", ""),
        ("POST", "/_cloudkon/save", b"", "text/plain"),
        ("POST", LAMBDA, b'{"FunctionName": "f"}', "text/plain"),
        ("POST", f"{LAMBDA}/f/invocations", b"{}", "text/plain"),
        ("GET", "/guarded-store", b"", ""),
        ("PUT", "/guarded-store/key", b"content", "text/plain"),
        ("POST", "/", b"Action=ListQueues", "application/x-www-form-urlencoded"),
        ("OPTIONS", "/", b"", ""),
        ("HEAD", "/guarded-store", b"", ""),
    ],
)
def test_unsigned_request_is_refused(stranger: Stranger, method: str, path: str, body: bytes, kind: str) -> None:
    status, headers, _ = stranger.send(method, path, body, {"Content-Type": kind})
    assert status == 403
    assert [name for name in headers if name.startswith("access-control")] == []


def test_form_of_a_web_page_sends_no_message(stranger: Stranger, settings: Settings) -> None:
    message = (
        b"Action=SendMessage&MessageBody=x&QueueUrl=" + f"{settings.endpoint_url}/000000000000/guarded-worker".encode()
    )
    for path in ("/", "/000000000000/guarded-worker"):
        status, _, text = stranger.send(
            "POST",
            path,
            message,
            {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://evil.example"},
        )
        assert (status, "<Code>AccessDenied</Code>" in text) == (403, True)
    assert _depth(settings) == 0


@pytest.mark.parametrize(
    "foreign", [{"Host": "evil.example"}, {"Host": "127.0.0.1"}, {"Host": ""}, {"Origin": "null"}, {"Origin": ""}]
)
def test_signed_request_of_another_host_or_with_an_origin_is_refused(
    stranger: Stranger, foreign: dict[str, str]
) -> None:
    headers = stranger.signed("POST", "/", b"{}", {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": JSON})
    assert stranger.send("POST", "/", b"{}", headers)[0] == 200
    status, _, text = stranger.send("POST", "/", b"{}", headers | foreign)
    assert (status, json.loads(text)["__type"]) == (403, "AccessDenied")


def test_health_says_nothing_of_the_fleet_and_refuses_web_pages(stranger: Stranger) -> None:
    assert stranger.send("GET", "/_ministack/health")[::2] == (200, "{}")
    assert stranger.send("GET", "/_ministack/health", b"", {"Origin": "http://evil.example"})[0] == 403
    assert stranger.send("GET", "/_ministack/health", b"", {"Host": "rebound.example"})[0] == 403


def test_signed_request_to_the_emulators_administration_is_refused(stranger: Stranger) -> None:
    for path in ("/_ministack/reset", "/_aws/execute-api/a/b", "/%5Fministack/reset"):
        headers = stranger.signed("POST", path)
        status, _, text = stranger.send("POST", path, b"", headers)
        assert (status, "belongs to no AWS service" in text) == (403, True), path


def test_body_that_was_not_signed_is_not_stored(stranger: Stranger, settings: Settings) -> None:
    store = connect(settings).store
    claimed = {"X-Amz-Content-Sha256": hashlib.sha256(b"ours").hexdigest()}
    headers = stranger.signed("PUT", "/guarded-store/key", b"ours", claimed, service="s3")
    status, _, text = stranger.send("PUT", "/guarded-store/key", b"them", headers)
    assert (status, "XAmzContentSHA256Mismatch" in text) == (403, True)

    async def keys() -> list[Any]:
        return [one async for one in store.list("")]

    assert trio.run(keys) == []
    assert stranger.send("PUT", "/guarded-store/key", b"ours", headers)[0] == 200
    assert len(trio.run(keys)) == 1


def test_large_body_without_a_signed_hash_is_refused_before_it_is_all_read(stranger: Stranger) -> None:
    host, _, port = stranger.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Length: 99999999999\r\n\r\n" % stranger.host.encode())
        sent = 0
        with suppress(ConnectionError):
            while sent < 512 * 1024 * 1024:
                client.sendall(bytes(1024 * 1024))
                sent += 1024 * 1024
        assert sent < 128 * 1024 * 1024


@pytest.mark.parametrize("path", ["/_ministack/health", f"/_cloudkon/proof?nonce={'0' * 64}", "/"])
def test_connection_ends_though_its_body_was_not_read(stranger: Stranger, path: str) -> None:
    """An answer that comes before the body ends the connection, and does not keep it with what was sent."""
    host, _, port = stranger.host.partition(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {stranger.host}\r\nContent-Length: 99999999\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as client, suppress(ConnectionError):
        client.sendall(head.encode() + bytes(4 * 1024 * 1024))
        while client.recv(65536):
            pass


def test_websocket_is_refused(stranger: Stranger) -> None:
    status, _, _ = stranger.send(
        "GET",
        "/_aws/execute-api/a/b",
        b"",
        {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        },
    )
    assert status == 403


def test_owners_program_with_another_fleets_secret_sends_nothing(settings: Settings, tmp_path: Path) -> None:
    """Another fleet's emulator may have taken the port: it must not get tasks. Its port and the remedy are named."""
    (tmp_path / SECRET_FILE).write_text("of another fleet\n")
    other = Settings(fleet=settings.fleet, target="local", endpoint_url=settings.endpoint_url, state_dir=tmp_path)
    with pytest.raises(UnprovenServer, match=r"port \d+ does not prove .* with: python -m fleet up") as caught:
        trio.run(connect(other).queues["worker"].send, [Outgoing("x")])
    assert caught.value.exit_code == EXIT_FAILED
    with pytest.raises(UnprovenServer):
        trio.run(connect(other).ledger.cancel_run, "20261130-1200-abcd")
    (tmp_path / SECRET_FILE).write_text(f"{ANY_SECRET}\n")
    assert trio.run(connect(other).queues["worker"].depth).visible == 0


def _client(endpoint: str, service: str) -> Any:  # noqa: ANN401  (botocore makes its classes at run time)
    return boto3.client(  # type: ignore[call-overload]  # the stubs list each service's name
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=EMULATOR_ACCESS_KEY,
        aws_secret_access_key=ANY_SECRET,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("service", ["lambda", "ecs", "ec2", "stepfunctions", "iam"])
def test_services_that_no_fleet_needs_are_off(endpoint: str, service: str) -> None:
    client = _client(endpoint, service)
    calls = {
        "lambda": "list_functions",
        "ecs": "list_clusters",
        "ec2": "describe_instances",
        "stepfunctions": "list_state_machines",
        "iam": "list_users",
    }
    # Some errors are JSON where botocore expects XML.
    with pytest.raises((ClientError, ResponseParserError)):
        getattr(client, calls[service])()


def _stack_that_runs_code(marker: Path) -> str:
    code = f"import pathlib\ndef handler(event, context):\n    pathlib.Path({str(marker)!r}).touch()\n    return {{}}\n"
    role = "arn:aws:iam::000000000000:role/some"
    function = {"Code": {"ZipFile": code}, "Handler": "index.handler", "Runtime": "python3.11", "Role": role}
    return json.dumps(
        {
            "Resources": {
                "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
                "Custom": {
                    "Type": "Custom::Runs",
                    "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, "ServiceTimeout": "5"},
                },
            }
        }
    )


def test_stack_with_a_custom_resource_runs_no_code(endpoint: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    cloudformation = _client(endpoint, "cloudformation")
    cloudformation.create_stack(
        StackName="runs", TemplateBody=_stack_that_runs_code(marker), Capabilities=["CAPABILITY_IAM"]
    )
    deadline = time.monotonic() + PATIENCE
    state = "CREATE_IN_PROGRESS"
    while state.endswith("IN_PROGRESS") and time.monotonic() < deadline:
        time.sleep(0.2)
        state = cloudformation.describe_stacks(StackName="runs")["Stacks"][0]["StackStatus"]
    assert not marker.exists()
    assert state == "ROLLBACK_COMPLETE"
