"""Provides an AWS account in memory on trio's virtual clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from tests.fleet.double.account import Account
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.iam_gate.gate import judge, judge_verbs

FLEET = "some"


@pytest.fixture(autouse=True)
def verbs_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each verb make only calls that its printed policies allow."""
    judge_verbs(monkeypatch)


@pytest.fixture
def account() -> Iterator[Account]:
    ActiveBackend.backend = made = Account()
    made.judge = judge
    yield made
    ActiveBackend.backend = None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(target="aws", fleet=FLEET, region="us-east-1", state_dir=tmp_path / "state")


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def target(account: Account, settings: Settings) -> AwsTarget:
    return AwsTarget(settings, DoubleConnection(settings), DoubleClock())
