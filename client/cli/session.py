"""Holds a command's settings and services, and runs its async work so that Ctrl-C ends it cleanly."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import click
import trio

from cloudkon.errors import EXIT_INTERRUPTED, CloudKonError
from cloudkon.ports import Services
from cloudkon.settings import Settings

from ..records.pushes import Pushes

T = TypeVar("T")


class Interrupted(CloudKonError):
    """Ctrl-C or SIGTERM ended the command."""

    exit_code = EXIT_INTERRUPTED


def _connect(settings: Settings) -> Services:
    from cloudkon.aws import connect  # noqa: PLC0415  (importing boto3 takes 0.2 s, and half of the commands don't need it)

    return connect(settings)


@dataclass(frozen=True, slots=True)
class Session:
    """The composition root of one command. Tests pass another ``connect``."""

    settings: Settings = field(default_factory=Settings.from_environment)
    connect: Callable[[Settings], Services] = _connect

    @property
    def pushes(self) -> Pushes:
        """The pushes of this machine to the fleet."""
        return Pushes.of(self.settings)

    def run(self, work: Callable[[Services], Awaitable[T]], how_to_resume: str) -> T:
        """Connect, run ``work`` under trio, and raise its error without exception groups.

        SIGINT and SIGTERM cancel ``work`` and raise ``Interrupted`` with the text ``how_to_resume``.
        """
        services = self.connect(self.settings)
        try:
            return trio.run(_unless_interrupted, partial(work, services), how_to_resume)
        except BaseExceptionGroup as group:
            raise _first_error(group) from group


async def _unless_interrupted(work: Callable[[], Awaitable[T]], how_to_resume: str) -> T:
    results: list[T] = []
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def cancel_on_signal() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_on_signal)
            results.append(await work())
            nursery.cancel_scope.cancel()
    if not results:
        raise Interrupted(f"interrupted. {how_to_resume}")
    return results[0]


def _first_error(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


pass_session = click.make_pass_decorator(Session, ensure=True)
