"""Provides the fleets and regions that the gate judges policies for."""

from collections.abc import Iterator

import pytest

from tests.fleet.double.account import NUMBER, Account
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.iam_gate.gate import judge
from tests.fleet.iam_gate.place import LONGEST, Place


@pytest.fixture(
    params=[
        Place("cloudkon", "aws", "us-east-1", NUMBER),
        Place("cloudkon", "aws-us-gov", "us-gov-west-1", NUMBER),
        Place(LONGEST, "aws", "ap-southeast-2", NUMBER),
        Place(LONGEST, "aws-us-gov", "us-gov-east-1", NUMBER),
    ],
    ids=lambda one: f"{len(one.fleet)}-letters-{one.partition}",
)
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
