"""Provides an account of moto's, with AWS's own API models in front, and a trial on it whose commands are scripted."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import botocore.loaders
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.iam.models import SERVICE_NAME_CONVERSION

from tests.aws import steps
from tests.aws import trial as trial_module
from tests.aws.account_session import AccountSession, open_session
from tests.aws.interruption import templates
from tests.aws.trial import FLAG, clean, trial
from tests.fleet.moto_account import ACCOUNT, REGION
from tests.fleet.trial.scripted_fleet import ScriptedFleet

ENVIRONMENT = {FLAG: ACCOUNT, "AWS_REGION": REGION}


@dataclass
class TrialRun:
    """One trial in virtual time: sleeping ends at once."""

    session: AccountSession
    fleet: ScriptedFleet
    reports: list[str] = field(default_factory=list)
    now: float = 0.0
    reclaims: bool = True
    refused: list[str] = field(default_factory=list)
    """Operations that IAM refuses, each once."""
    calls: list[str] = field(default_factory=list)
    """The calls that the trial itself made."""
    runs: bool = False

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        # The reclaim comes while the trial waits for Fault Injection Service.
        with self.fleet.answering():
            self._reclaim()

    def _reclaim(self) -> None:
        if self.reclaims and not self.fleet.was_interrupted and templates(self.session, self.fleet.name):
            self.fleet.interrupt()

    def run(self, **settings: str) -> list[str]:
        environment = ENVIRONMENT | settings
        with self._running():
            return trial(environment, self.reports.append, self.fleet, self.sleep, lambda: self.now)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        self.runs = True
        try:
            yield
        finally:
            self.runs = False

    def clean(self) -> list[str]:
        with self._running():
            return clean(ENVIRONMENT, self.reports.append, self.fleet, self.sleep)

    def left(self) -> list[str]:
        """What is in the account, by listing everything rather than by the trial's own search."""
        client = self.session.client
        iam, sqs, ec2 = client("iam"), client("sqs"), client("ec2")
        rows = [one for row in ec2.describe_instances()["Reservations"] for one in row["Instances"]]
        return [
            *(row["RoleName"] for row in iam.list_roles()["Roles"]),
            *(row["PolicyName"] for row in iam.list_policies(Scope="Local")["Policies"]),
            *(row["id"] for row in client("fis").list_experiment_templates()["experimentTemplates"]),
            *sqs.list_queues().get("QueueUrls", ()),
            *(one["InstanceId"] for one in rows if one["State"]["Name"] != "terminated"),
        ]


@pytest.fixture(scope="module")
def session() -> Iterator[AccountSession]:
    """One account for a file: making one takes seconds, and each test must leave nothing in it anyway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "moto")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "moto")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        with mock_aws():
            # Each session would read the services' models again.
            loader = botocore.loaders.create_loader()
            patch.setattr(botocore.loaders, "create_loader", lambda _path=None: loader)
            # Moto has no name for this one.
            patch.setitem(SERVICE_NAME_CONVERSION, "fis", "FIS")
            yield open_session(ENVIRONMENT)


@pytest.fixture
def run(session: AccountSession, monkeypatch: pytest.MonkeyPatch) -> TrialRun:
    made = TrialRun(session, ScriptedFleet(session.session))
    monkeypatch.setattr(steps, "POLL_SECONDS", 0)
    # Making clients takes longer than the trial.
    monkeypatch.setattr(trial_module, "open_session", lambda _: session)
    call: Callable[..., Any] = BaseClient._make_api_call  # type: ignore[attr-defined]  # botocore has no types

    def watched(client: BaseClient, operation: str, arguments: dict[str, Any]) -> object:
        if not made.fleet.answers and made.runs:
            made.calls.append(f"{client.meta.service_model.signing_name}:{operation}")
            if operation in made.refused:
                made.refused.remove(operation)
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "planted"}}, operation)
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", watched)
    return made
