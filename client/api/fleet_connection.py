"""Connects the Python interface to one fleet: its settings, its services, and the portal that calls them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cloudkon.ports import Services
from cloudkon.settings import Settings

from ..records.pushes import Pushes
from .portal import Portal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FleetConnection:
    """A connection to one fleet that any thread may use."""

    settings: Settings
    services: Services
    portal: Portal

    @property
    def pushes(self) -> Pushes:
        """The pushes of this machine to the fleet."""
        return Pushes.of(self.settings)

    def call(self, work: Callable[[Services], Awaitable[T]], how_to_resume: str, timeout: float | None = None) -> T:
        """Run ``work`` and return its result; raises ``TimeoutError`` after ``timeout`` seconds.

        Ctrl-C cancels it and raises ``KeyboardInterrupt`` with the note ``how_to_resume``.
        """
        try:
            return self.portal.call(partial(work, self.services), timeout)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(how_to_resume)
            raise
