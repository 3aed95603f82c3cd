"""Clients with stubbed responses, which botocore's Stubber checks against AWS's own model of each call."""

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.settings import Settings

SETTINGS = Settings(fleet="unit", target="docker", endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def connection() -> Connection:
    return Connection(SETTINGS)


@pytest.fixture
def sqs(connection: Connection) -> Iterator[Stubber]:
    with Stubber(connection.client("sqs")) as stubber:
        yield stubber


@pytest.fixture
def dynamodb(connection: Connection) -> Iterator[Stubber]:
    with Stubber(connection.client("dynamodb")) as stubber:
        yield stubber


@pytest.fixture
def s3(connection: Connection) -> Iterator[Stubber]:
    with Stubber(connection.client("s3")) as stubber:
        yield stubber
