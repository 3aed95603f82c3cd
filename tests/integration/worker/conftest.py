"""One emulator for the module; each test has its own fleet and its own programs."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudkon.settings import Settings
from tests.integration.worker.programs import Programs, programs
from tests.support.emulator import deploy, emulator
from tests.support.emulator_fleet import EmulatedFleet


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with emulator() as address:
        yield address


@pytest.fixture
def settings(endpoint: str) -> Settings:
    """Deploy a fleet for one test, with a lease that is short enough to wait for."""
    return replace(
        deploy(endpoint, f"test-{secrets.token_hex(4)}"),
        lease_seconds=3,
        skew_seconds=0.5,
        poll_seconds=1,
        cancel_poll_seconds=0.5,
        retry_seconds=0.1,
    )


@pytest.fixture
def fleet(settings: Settings) -> EmulatedFleet:
    return EmulatedFleet(settings)


@pytest.fixture
def start(tmp_path: Path, settings: Settings) -> Iterator[Programs]:
    with programs(tmp_path, settings) as started:
        yield started
