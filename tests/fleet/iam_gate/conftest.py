"""Provides the fleets and regions that the gate judges policies for."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.docker.engine import Engine
from tests.fleet.double.account import NUMBER, Account
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.iam_gate.gate import judge
from tests.fleet.iam_gate.place import LONGEST, Place

PLACES: Final = (
    Place("cloudkon", "aws", "us-east-1", NUMBER),
    Place("cloudkon", "aws-us-gov", "us-gov-west-1", NUMBER),
    Place(LONGEST, "aws", "ap-southeast-2", NUMBER),
    Place(LONGEST, "aws-us-gov", "us-gov-east-1", NUMBER),
)


def name_of(place: Place) -> str:
    """Name a place in a test's name."""
    return f"{len(place.fleet)}-letters-{place.partition}"


@pytest.fixture(params=PLACES, ids=name_of)
def place(request: pytest.FixtureRequest) -> Place:
    """Return each combination of a short and a long name with two partitions."""
    found: Place = request.param
    return found


@pytest.fixture
def account(place: Place) -> Iterator[Account]:
    """Return an account in the place's region."""
    ActiveBackend.backend = made = Account(region=place.region)
    made.judge = judge
    yield made
    ActiveBackend.backend = None


class PushingEngine(Engine):
    """An engine that has every image, and pushes into the account's registry."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Engine]:
        yield self

    async def inspect_image(self, image: str) -> Mapping[str, Any] | None:
        return {"Architecture": "amd64", "RootFS": {"Layers": [image]}, "Config": {}}

    async def push(self, image: str, repository: str, tag: str, login: tuple[str, str]) -> None:  # noqa: ARG002  (the engine's)
        self._account.ecr.push(f"{repository}:{tag}")


@pytest.fixture
def target(account: Account, place: Place, tmp_path: Path) -> AwsTarget:
    settings = Settings(target="aws", fleet=place.fleet, region=place.region, state_dir=tmp_path / "state")
    connection = DoubleConnection(settings, place.region)
    return AwsTarget(settings, connection, DoubleClock(), PushingEngine(account).opened)
