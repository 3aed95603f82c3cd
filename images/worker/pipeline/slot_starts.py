"""Starts the slots' processes, again and again where that fails, and says when the worker can't work without them.

A start fails if the machine has no more processes, memory or descriptors, or if the interpreter dies: none of that is
the fault of a task. So a slot without a process takes no tasks, and the others go on. A new worker of whose slots none
can start ends after a second or two, which is what rollouts and the fleet's supervisor look for. One that has worked
before waits, because its machine may only be overloaded; it receives nothing meanwhile.
"""

from collections.abc import Callable
from typing import Final

import trio

from cloudkon.backoff import Backoff
from cloudkon.errors import CloudKonError

from ..execution.slot_process import SlotNotStarted, SlotProcess
from .stage_services import StageServices

FIRST_TRIES: Final = 3
"""Tries of each slot after which a worker that never had a slot's process gives up."""
GIVE_UP_SECONDS: Final = 60.0
"""Time without any slot after which another worker, perhaps on another machine, should try."""
_BACKOFF: Final = Backoff(first=0.4, most=10.0, jitter=0.5)


class NoSlots(CloudKonError):
    """None of the worker's slots can run anything."""


class SlotStarts:
    """The starts of all slots' processes."""

    def __init__(self, services: StageServices, on_none: Callable[[NoSlots], None]) -> None:
        """``on_none`` is called when none of the slots has been able to start for too long."""
        self._services = services
        self._on_none = on_none
        self._has_worked = False
        self._failures: dict[int, int] = {}
        """How many starts in a row have failed, for each slot that has no process now."""
        self._none_since: float | None = None
        self._reason = ""

    async def start(self, slot: int, process: SlotProcess) -> None:
        """Start a slot's process; return when it runs."""
        if await self._try(slot, process):
            return
        with self._services.ready_queue.without_slot():
            while True:
                self._give_up_if_none()
                await trio.sleep(_BACKOFF.wait(self._failures[slot], self._services.rng))
                if await self._try(slot, process):
                    return

    async def _try(self, slot: int, process: SlotProcess) -> bool:
        try:
            await process.warm()
        except SlotNotStarted as error:
            self._failures[slot] = self._failures.get(slot, 0) + 1
            self._services.log.warning("slot-not-started", slot=slot, tries=self._failures[slot], error=str(error))
            self._reason = str(error)
            return False
        self._failures.pop(slot, None)
        self._none_since = None
        self._has_worked = True
        return True

    def _give_up_if_none(self) -> None:
        if self._services.durations.slots:
            return
        now = trio.current_time()
        self._none_since = now if self._none_since is None else self._none_since
        over = now - self._none_since >= GIVE_UP_SECONDS
        if over if self._has_worked else min(self._failures.values()) >= FIRST_TRIES:
            self._on_none(NoSlots(f"no process for the slots can be started: {self._reason}"))
