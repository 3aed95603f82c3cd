"""Link: what the parts of the Python interface share: a fleet's services, and the portal that calls them."""

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
    """One fleet, callable from any thread."""

    settings: Settings
    services: Services
    portal: Portal

    @property
    def pushes(self) -> Pushes:
        """What this machine knows of its pushes to the fleet."""
        return Pushes.of(self.settings)

    def call(self, work: Callable[[Services], Awaitable[T]], go_on: str, timeout: float | None = None) -> T:
        """Do some work; ``TimeoutError`` after so many seconds. Ctrl-C ends it, and its traceback says ``go_on``."""
        try:
            return self.portal.call(partial(work, self.services), timeout)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(go_on)
            raise
