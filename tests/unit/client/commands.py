"""Runs commands in this process, and reads what they pushed."""

from collections.abc import Callable

import pytest
import trio

from cloudkon.errors import EXIT_OK
from cloudkon.model import Run
from cloudkon.ports import Services

Client = Callable[..., int]
"""Runs a command on the test's fleet, or on the fleet passed as ``fleet``, and returns its exit code."""


def read_run(services: Services, run_id: str) -> Run:
    found = trio.run(services.ledger.read_run, run_id)
    assert found is not None
    return found


def push(client: Client, capsys: pytest.CaptureFixture[str], count: int = 20, *options: str) -> str:
    assert client("generate", str(count), "sleep", "10") == EXIT_OK
    capsys.readouterr()
    assert client("push", *options) == EXIT_OK
    return capsys.readouterr().out.strip()
