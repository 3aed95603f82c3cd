"""Keeps the desired count of one pool's workers running."""

from collections.abc import Callable

import trio

from .actual_state import PoolState
from .process_supervisor import ProcessSupervisor


class PoolSupervisor:
    """The workers of one pool. It grows by starting workers, and shrinks by stopping those with the highest numbers."""

    def __init__(self, make: Callable[[int], ProcessSupervisor], nursery: trio.Nursery) -> None:
        """``make`` returns the supervisor of the worker with a number, from 1 on; it runs in the nursery."""
        self._make = make
        self._nursery = nursery
        self._active: dict[int, ProcessSupervisor] = {}
        self._stopping: dict[int, ProcessSupervisor] = {}
        self._past_restarts = 0

    def resize(self, count: int) -> None:
        """Start or stop workers to reach ``count``. A number is free again after the worker that had it has ended."""
        while len(self._active) > count:
            number = max(self._active)
            self._stopping[number] = self._active.pop(number)
            self._stopping[number].stop()
        while len(self._active) < count:
            number = self._free_number()
            self._active[number] = self._make(number)
            self._nursery.start_soon(self._run, number, self._active[number])

    def is_empty(self) -> bool:
        """Whether no worker is left, not even one that is stopping."""
        return not self._active and not self._stopping

    def actual_state(self) -> PoolState:
        """Return the pool's state now."""
        supervisors = self._active | self._stopping
        return PoolState(
            len(self._active),
            self._past_restarts + sum(supervisor.restarts for supervisor in supervisors.values()),
            tuple(supervisors[number].actual_state() for number in sorted(supervisors)),
        )

    async def _run(self, number: int, supervisor: ProcessSupervisor) -> None:
        await supervisor.run()
        self._past_restarts += supervisor.restarts
        self._stopping.pop(number, None)
        supervisor.stop()  # wakes the fleet's supervisor once more, now that this worker is off the list

    def _free_number(self) -> int:
        number = 1
        while number in self._active or number in self._stopping:
            number += 1
        return number
