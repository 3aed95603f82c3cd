"""Provides an emulator for each module, and a fleet and a folder for each test."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.client.client_process import Client
from tests.support.emulator import deploy, emulator


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with emulator() as address:
        yield address


@pytest.fixture
def client(endpoint: str, tmp_path: Path) -> Client:
    return Client(tmp_path, deploy(endpoint, f"client-{uuid4().hex[:8]}"))
