"""Provides the fleets and regions that the gate judges policies for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from tests.fleet.double.account import NUMBER, Account
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.engine import PushingEngine
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


@pytest.fixture
def target(account: Account, place: Place, tmp_path: Path) -> AwsTarget:
    settings = Settings(target="aws", fleet=place.fleet, region=place.region, state_dir=tmp_path / "state")
    connection = DoubleConnection(settings, place.region)
    return AwsTarget(settings, connection, DoubleClock(), PushingEngine(account, worker="one", animoto="one").opened)
