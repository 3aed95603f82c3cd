"""Runs a target's coroutines for a command, and prints their progress."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from cloudkon.terminal import say

Result = TypeVar("Result")


def run(call: Callable[[], Awaitable[Result]]) -> Result:
    """Call and await under trio; return the result."""

    async def main() -> Result:
        return await call()

    return trio.run(main)


def report(line: str) -> None:
    """Print a progress line on standard error."""
    say(line)
