"""Runs one suite on all adapters: in memory, on the embedded emulator, and on LocalStack if its address is set.

``CLOUDKON_TEST_LOCALSTACK`` is LocalStack's address, such as ``http://localhost:4566``.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
import trio.testing

from cloudkon.aws import Connection, connect
from cloudkon.aws.queue import SqsQueue
from cloudkon.memory import MemoryQueue, memory_services
from cloudkon.ports import Ledger, Queue, Services, Store
from cloudkon.settings import Settings
from tests.support.emulator import deploy, emulator

LOCALSTACK = os.environ.get("CLOUDKON_TEST_LOCALSTACK", "")
SERVERS = ["ministack", *(["localstack"] if LOCALSTACK else [])]


@pytest.fixture(scope="session")
def ministack() -> Iterator[str]:
    with emulator() as endpoint:
        yield endpoint


@pytest.fixture(scope="session", params=SERVERS)
def fleet(request: pytest.FixtureRequest) -> Settings:
    """A fleet's queues, table and bucket on each server, under a unique name."""
    return _fleet(request, request.param)


@pytest.fixture(scope="session", params=["memory", *SERVERS])
def backend(request: pytest.FixtureRequest) -> Settings | None:
    """The fleet on each server, or ``None`` for the adapters in memory."""
    return None if request.param == "memory" else _fleet(request, request.param)


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest) -> trio.testing.MockClock | None:
    """Adapters in memory run in virtual time; servers run in real time."""
    in_memory = "backend" in request.fixturenames and request.getfixturevalue("backend") is None
    return trio.testing.MockClock(autojump_threshold=0) if in_memory else None


@pytest.fixture
def services(backend: Settings | None) -> Services:
    return memory_services() if backend is None else connect(backend)


@pytest.fixture
def ledger(services: Services) -> Ledger:
    return services.ledger


@pytest.fixture
def store(services: Services) -> Store:
    return services.store


@pytest.fixture
def queue(backend: Settings | None) -> Queue:
    """An empty queue for this test alone."""
    if backend is None:
        return MemoryQueue()
    connection = Connection(backend)
    name = f"{backend.fleet}-{secrets.token_hex(4)}"
    connection.client("sqs").create_queue(QueueName=name)
    return SqsQueue(connection, name)


@pytest.fixture
def no_fleet(fleet: Settings) -> Services:
    """A server without the fleet's queues, table and bucket."""
    return connect(replace(fleet, fleet="never-started"))


@pytest.fixture
def run_id() -> str:
    """A unique run id, because the tests share the ledger."""
    return f"r-{secrets.token_hex(6)}"


_deployed: dict[str, Settings] = {}


def _fleet(request: pytest.FixtureRequest, server: str) -> Settings:
    if server not in _deployed:
        endpoint = LOCALSTACK if server == "localstack" else request.getfixturevalue("ministack")
        _deployed[server] = deploy(endpoint, f"contract-{secrets.token_hex(4)}")
    return _deployed[server]
