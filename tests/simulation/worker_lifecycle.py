"""Lives: workers that are born, lose touch, are told to stop and die, at a time or at their k-th step."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import trio

from cloudkon.memory.virtual_clock import VirtualClock

LIFE: ContextVar["Life | None"] = ContextVar("LIFE", default=None)
"""Whose task this is: set for all that a worker does, and for what its calls still do when it is dead."""


@dataclass(eq=False)
class Life:
    """One worker's. ``version`` is that of the newest message it can read."""

    name: str
    clock: VirtualClock
    version: int
    run: Callable[[], Awaitable[None]]
    stop: Callable[[], None]
    on_end: Callable[["Life"], None]
    cut_off_until: float = 0.0
    """Until when none of its calls arrives."""
    ended: bool = False
    _scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _fuse: int = 0
    _at_its_end: Callable[[], None] | None = None

    async def live(self) -> None:
        LIFE.set(self)
        with self._scope:
            await self.run()
        self._end()

    def die(self) -> None:
        """Suddenly: nothing that it would still do has any effect, except calls under way."""
        self._end()
        self._scope.cancel()

    def light_fuse(self, steps: int, then: Callable[[], None]) -> None:
        """Do so when its tasks have taken so many more steps, each of which goes from one await to the next."""
        self._fuse, self._at_its_end = steps, then

    def burn(self) -> None:
        """One of its tasks takes a step."""
        self._fuse -= 1
        if not self._fuse and self._at_its_end:
            self._at_its_end()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.on_end(self)


class Fuses(trio.abc.Instrument):
    """Counts the steps of every life."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        life = task.context.get(LIFE)
        if life is not None:
            life.burn()
