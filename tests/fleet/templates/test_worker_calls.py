"""The calls that a worker and the client make on the embedded emulator, compared with role and policy."""

from collections.abc import Iterator
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
from tests.fleet.templates.permissions import Call, actions, allows, call_of, missing
from tests.support.emulator import deploy, emulator
from tests.support.emulator_fleet import EmulatedFleet
from tests.support.template_rendering import UPDATED, render, text_of

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> set[Call]:
    """Record every call that reaches boto3 from now on."""
    seen: set[Call] = set()
    make = BaseClient._make_api_call  # type: ignore[attr-defined]  # the one place that all calls go through

    def noted(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:  # noqa: ANN401  (botocore's answer)
        seen.add(call_of(client.meta.service_model.service_name, operation, request))
        return make(client, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return seen


async def _tell_much(arguments: str, context: object) -> str:
    return "x" * (OUTPUT_LIMIT + 1)


def test_worker_role_allows_every_call(endpoint: str, tmp_path: Path, calls: set[Call]) -> None:
    settings = replace(deploy(endpoint, "permitted"), lease_seconds=3, poll_seconds=1)
    fleet = EmulatedFleet(settings)
    # Renewed, refused by the ledger as a duplicate, too long for it, malformed, cancelled.
    fleet.push("sleep 1500", "tell", copies=2)
    fleet.send("not a message")
    fleet.cancel(fleet.push("sleep 1"))
    calls.clear()

    handlers = {**find_handlers(settings), "tell": _tell_much}
    worker = Worker(settings, WORKER, connect(settings), handlers, Log("error"), tmp_path, until_empty=True)
    trio.run(worker.run)

    role = render(Template(text_of("compute")), UPDATED)["WorkerTaskRole"]["Properties"]
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    needed = {action for call in calls for action in actions(call)}
    assert {action for action in needed if not allows(statements, action)} == set()
    assert calls >= {("s3", "PutObject"), ("sqs", "SendMessageBatch"), ("dynamodb", "BatchExecuteStatement")}


def test_client_policy_allows_every_call(
    endpoint: str, tmp_path: Path, calls: set[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = deploy(endpoint, "followed")
    environment = {"FLEET": settings.fleet, "TARGET": "docker", "STATE_DIR": str(tmp_path), "ENDPOINT_URL": endpoint}
    for name, value in environment.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    monkeypatch.chdir(tmp_path)
    Path("workload.txt").write_text("sleep 1\n")
    calls.clear()

    for step in ("push", "runs", "status", "results", "failures", "cancel", "dlq list", "purge --yes"):
        assert main(step.split()) == EXIT_OK, step

    assert missing("client", calls) == []
    assert calls >= {("sqs", "SendMessageBatch"), ("dynamodb", "PutItem"), ("dynamodb", "Query")}
