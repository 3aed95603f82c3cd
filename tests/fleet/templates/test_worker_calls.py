"""The calls that a worker and the client really make against the emulator, judged by role and policy.

The fleet's name is as long as a name can be, and the calls are judged in two partitions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from botocore.client import BaseClient

from client.cli.main import main
from cloudkon.aws import connect
from cloudkon.errors import EXIT_OK
from cloudkon.log import Log
from cloudkon.model import WORKER
from cloudkon.model.result import OUTPUT_LIMIT
from cloudkon.settings import PREFIX
from images.worker.handlers import find_handlers
from images.worker.pipeline.worker import Worker
from tests.fleet.double.template import Template
from tests.fleet.iam_gate.call_requests import requests_of
from tests.fleet.iam_gate.gate import policies_of
from tests.fleet.iam_gate.judge import Statement, refusals
from tests.fleet.iam_gate.place import LONGEST, Place
from tests.support.emulator import deploy, emulator
from tests.support.emulator_fleet import EmulatedFleet
from tests.support.template_rendering import PSEUDO, UPDATED, render, text_of

pytestmark = pytest.mark.long
OTHER = f"{LONGEST[:-1]}8"
"""Another name of that length: the two tests share an emulator."""
REGIONS = {"aws": "eu-central-1", "aws-us-gov": "us-gov-west-1"}
"""A region of each partition."""
Call = tuple[str, str, dict[str, Any]]
"""A service, an operation and its arguments."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Record every call that reaches boto3 from now on."""
    seen: list[Call] = []
    make = BaseClient._make_api_call  # type: ignore[attr-defined]  # the one place that all calls go through

    def noted(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:  # noqa: ANN401  (botocore's answer)
        seen.append((client.meta.service_model.service_name, operation, {**request}))
        return make(client, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return seen


def places(fleet: str) -> list[Place]:
    return [Place(fleet, name, region, PSEUDO["AWS::AccountId"]) for name, region in REGIONS.items()]


def refused(statements: Sequence[Statement], calls: list[Call], place: Place) -> set[str]:
    """Return what IAM would refuse of the calls."""
    return {
        refusal
        for service, operation, arguments in calls
        for request in requests_of(service, operation, arguments, place)
        for refusal in refusals(statements, request)
    }


def operations(calls: list[Call]) -> set[tuple[str, str]]:
    return {(service, operation) for service, operation, _ in calls}


async def _tell_much(arguments: str, context: object) -> str:
    return "x" * (OUTPUT_LIMIT + 1)


def test_worker_role_allows_every_call(endpoint: str, tmp_path: Path, calls: list[Call]) -> None:
    settings = replace(deploy(endpoint, LONGEST), lease_seconds=3, poll_seconds=1)
    fleet = EmulatedFleet(settings)
    # Renewed, refused by the ledger as a duplicate, too long for it, malformed, cancelled.
    fleet.push("sleep 1500", "tell", copies=2)
    fleet.send("not a message")
    fleet.cancel(fleet.push("sleep 1"))
    calls.clear()

    handlers = {**find_handlers(settings), "tell": _tell_much}
    worker = Worker(settings, WORKER, connect(settings), handlers, Log("error"), tmp_path, until_empty=True)
    trio.run(worker.run)

    for place in places(LONGEST):
        parameters = {**UPDATED, "Fleet": LONGEST, "BucketName": settings.store_bucket}
        pseudo = {**PSEUDO, "AWS::Partition": place.partition, "AWS::Region": place.region}
        role = render(Template(text_of("compute")), parameters, pseudo)["WorkerTaskRole"]["Properties"]
        statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
        assert refused(statements, calls, place) == set()
    assert operations(calls) >= {
        ("s3", "PutObject"),
        ("sqs", "SendMessageBatch"),
        ("dynamodb", "BatchExecuteStatement"),
    }


def test_client_policy_allows_every_call(
    endpoint: str, tmp_path: Path, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = deploy(endpoint, OTHER)
    environment = {"FLEET": settings.fleet, "TARGET": "docker", "STATE_DIR": str(tmp_path), "ENDPOINT_URL": endpoint}
    for name, value in environment.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    monkeypatch.chdir(tmp_path)
    Path("workload.txt").write_text("sleep 1\n")
    calls.clear()

    assert main(["push"]) == EXIT_OK
    pushed = [*calls]
    # The output is too long for the ledger, so that the client must read the store. The calls are a worker's.
    handlers = {**find_handlers(settings), "sleep": _tell_much}
    work = Worker(settings, WORKER, connect(settings), handlers, Log("error"), tmp_path, until_empty=True)
    trio.run(work.run)
    calls[:] = pushed
    for step in ("runs", "status", "check", "results", "failures", "pull", "cancel", "dlq list", "purge --yes"):
        assert main(step.split()) == EXIT_OK, step

    for place in places(OTHER):
        assert refused(policies_of("client", place, bucket=settings.store_bucket), calls, place) == set()
    assert operations(calls) >= {
        ("sqs", "SendMessageBatch"),
        ("dynamodb", "PutItem"),
        ("dynamodb", "Query"),
        ("s3", "GetObject"),
    }
