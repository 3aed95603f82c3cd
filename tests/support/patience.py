"""Waits for other processes, with a timeout for a machine that other tests use."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0
"""Seconds after which an expected event counts as missing."""


def until(condition: Callable[[], Any], what: str = "", *, within: float = PATIENCE, step: float = 0.05) -> None:
    """Poll every ``step`` seconds until a condition holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {what or condition}"
        time.sleep(step)
