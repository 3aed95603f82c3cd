"""Provides a fleet on a real account if one is named; otherwise nothing here runs."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from tests.aws.estimate import estimate
from tests.aws.real_fleet import RealFleet, own_account

FLAG = "CLOUDKON_REAL_AWS"
"""The account (twelve digits) on which money may be spent; the credentials must belong to it."""


@pytest.fixture
def real_fleet(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[RealFleet]:
    """Yield a fleet with a new name on that account. It is taken down with its data, whatever happens."""
    wanted = os.environ.get(FLAG, "")
    if not wanted:
        pytest.skip(f"needs a real AWS account: name it in {FLAG}")
    account = own_account()
    if account.number != wanted:
        pytest.fail(f"{FLAG} is {wanted}, but the credentials belong to {account}: nothing was done")
    # The user waits for an hour and pays, so the progress is shown.
    shown = pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled
    fleet = RealFleet(account, tmp_path, shown)
    fleet.report(f"{fleet.name} on {account}: {estimate()}")
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield fleet
    finally:
        # From here on only kill -9 could leave anything running.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        try:
            wrong = fleet.take_down()
        finally:
            signal.signal(signal.SIGTERM, before)
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if wrong:
        pytest.fail(f"on {account}: {', '.join(wrong)}")


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
