"""The trial on a real account, offline: its own calls go to moto, and its command lines to a scripted fleet."""

import re
from pathlib import Path

import pytest

from tests.fleet.trial.conftest import TrialRun


def test_trial_of_a_healthy_fleet_succeeds_and_leaves_nothing(run: TrialRun) -> None:
    assert run.run() == []
    assert run.left() == []
    assert "what is left: nothing" in run.reports[-1]
