"""Provides a running stub and a fleet's services on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.harness.systems import CloudKon, TrialSetup
from benchmarks.stub.stub_process import Stub, running_stub
from cloudkon.aws import connect
from cloudkon.ports import Services
from cloudkon.settings import Settings


@pytest.fixture(scope="session")
def running() -> Iterator[Stub]:
    with running_stub() as stub:
        yield stub


@pytest.fixture
def stub(running: Stub) -> Stub:
    running.command("reset")
    running.command("slow", slow=False)
    return running


@pytest.fixture
def services(stub: Stub, tmp_path: Path) -> Services:
    CloudKon().prepare(TrialSetup(stub, tmp_path))
    return connect(Settings(fleet="bench", target="docker", endpoint_url=stub.address))
