"""Running: what a command does with a target's coroutines, and where its progress goes."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
import trio

Result = TypeVar("Result")


def run(question: Callable[[], Awaitable[Result]]) -> Result:
    """Have trio await what the question makes."""

    async def answer() -> Result:
        return await question()

    return trio.run(answer)


def report(line: str) -> None:
    """Progress, which goes to standard error."""
    click.echo(line, err=True)
