"""Asks an account about its settings, and notes the calls that gave no answer instead of failing."""

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import trio

from cloudkon.aws.control_plane import Answer, ControlPlane
from cloudkon.errors import NoFleet, ServiceError

from ...target import Report

T = TypeVar("T")
ANSWER_SECONDS: Final = 10.0
"""How long a call may take: an endpoint that this network does not reach must not delay the command for minutes."""


class Inquiry:
    """Makes calls that a command can do without: they may be denied, or unknown to an emulator."""

    def __init__(self, control: ControlPlane) -> None:
        """Make no call yet."""
        self._control = control
        self._failed: dict[str, str] = {}

    async def call(self, service: str, operation: str, /, **arguments: object) -> Answer | None:
        """Make one call and return its response, or ``None`` if there is none."""
        return await self._answer(operation, self._control.call(service, operation, **arguments))

    async def pages(self, service: str, operation: str, rows: str, /, **arguments: object) -> list[Any] | None:
        """Make a paginated call and return all rows, or ``None`` if there is no response."""
        return await self._answer(operation, self._control.pages(service, operation, rows, **arguments))

    def failure(self, operation: str) -> str:
        """Return why a call gave no answer: mostly the service's error code. Empty if it gave one, or was not made."""
        return self._failed.get(_spelled(operation), "")

    def report_failures(self, report: Report) -> None:
        """Report in one line which calls gave no answer, so that nothing was checked by them."""
        if self._failed:
            calls = ", ".join(f"{operation} ({reason})" for operation, reason in self._failed.items())
            report(f"not checked, since these calls gave no answer: {calls}")

    async def _answer(self, operation: str, request: Awaitable[T]) -> T | None:
        with trio.move_on_after(ANSWER_SECONDS) as limit:
            try:
                return await request
            except (NoFleet, ServiceError) as error:
                # ``NoFleet`` stands for any resource that a service does not know.
                reason = error.code if isinstance(error, ServiceError) else ""
                self._note(operation, reason or "failed")
        if limit.cancelled_caught:
            self._note(operation, f"no answer in {ANSWER_SECONDS:.0f} s")
        return None

    def _note(self, operation: str, reason: str) -> None:
        self._failed[_spelled(operation)] = reason


def _spelled(operation: str) -> str:
    """Return an operation's name as policies and AWS's documents have it."""
    return "".join(word.capitalize() for word in operation.split("_"))
