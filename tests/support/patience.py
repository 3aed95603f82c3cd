"""Patience: waiting for what other processes do, for as long as a machine may take that is busy with other tests."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0
"""Seconds after which something that should have happened did not."""


def until(condition: Callable[[], Any], what: str = "", *, within: float = PATIENCE, step: float = 0.05) -> None:
    """Poll every ``step`` seconds until a condition holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what or condition}"
        time.sleep(step)
