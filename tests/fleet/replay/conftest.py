"""Puts the account away that answered a test's calls."""

from collections.abc import Iterator

import pytest

from tests.fleet.double.clients import ActiveBackend


@pytest.fixture(autouse=True)
def no_account_is_left() -> Iterator[None]:
    """Leave no served account behind."""
    yield
    ActiveBackend.backend = None
    ActiveBackend.skips_response_checks = False
