"""A fleet in memory, a state directory and a command line for each test."""

from pathlib import Path

import pytest

from client.cli.main import main
from client.cli.session import Session
from client.records.pushes import Pushes
from cloudkon.memory import memory_services
from cloudkon.ports import Services
from cloudkon.settings import Settings
from tests.unit.client.commands import Client


@pytest.fixture
def services() -> Services:
    return memory_services()


@pytest.fixture
def pushes(tmp_path: Path) -> Pushes:
    return Pushes(tmp_path / "state" / "pushes", "local", "cloudkon")


@pytest.fixture
def client(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *arguments, fleet=services: main(arguments, Session(Settings(), lambda _settings: fleet))
