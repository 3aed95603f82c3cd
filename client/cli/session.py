"""Session: what a command works with: the settings, the fleet's services, and a run of trio that Ctrl-C ends well."""

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
    from cloudkon.aws import connect  # noqa: PLC0415  (boto3 takes 0.2 s, and half of what users type needs none)

    return connect(settings)


@dataclass(frozen=True, slots=True)
class Session:
    """The composition root of one command. Tests give it another ``connect``."""

    settings: Settings = field(default_factory=Settings.from_environment)
    connect: Callable[[Settings], Services] = _connect

    @property
    def pushes(self) -> Pushes:
        """What this machine knows of its pushes to the fleet."""
        return Pushes.of(self.settings)

    def run(self, work: Callable[[Services], Awaitable[T]], go_on: str) -> T:
        """Connect, run ``work`` under trio, and raise its error alone.

        SIGINT and SIGTERM cancel it; then ``Interrupted`` is raised, which says ``go_on``.
        """
        services = self.connect(self.settings)
        try:
            return trio.run(_unless_interrupted, partial(work, services), go_on)
        except BaseExceptionGroup as group:
            raise _first_error(group) from group


async def _unless_interrupted(work: Callable[[], Awaitable[T]], go_on: str) -> T:
    values: list[T] = []
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def cancel_on_signal() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_on_signal)
            values.append(await work())
            nursery.cancel_scope.cancel()
    if not values:
        raise Interrupted(f"interrupted. {go_on}")
    return values[0]


def _first_error(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


pass_session = click.make_pass_decorator(Session, ensure=True)
