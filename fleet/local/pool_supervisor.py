"""Workers of one pool: as many keepers as are wanted."""

from collections.abc import Callable

import trio

from .actual_state import PoolState
from .process_supervisor import ProcessSupervisor


class PoolSupervisor:
    """Grows by starting keepers, and shrinks by stopping those with the highest numbers."""

    def __init__(self, make: Callable[[int], ProcessSupervisor], nursery: trio.Nursery) -> None:
        """``make`` gives a keeper that bears a number, from 1; the nursery is where keepers run."""
        self._make = make
        self._nursery = nursery
        self._staying: dict[int, ProcessSupervisor] = {}
        self._leaving: dict[int, ProcessSupervisor] = {}
        self._past_restarts = 0

    def resize(self, count: int) -> None:
        """Work towards so many workers. A worker's number is not given again while one that had it is leaving."""
        while len(self._staying) > count:
            number = max(self._staying)
            self._leaving[number] = self._staying.pop(number)
            self._leaving[number].stop()
        while len(self._staying) < count:
            number = self._free_number()
            self._staying[number] = self._make(number)
            self._nursery.start_soon(self._run, number, self._staying[number])

    def is_empty(self) -> bool:
        """Whether none is left, not even a leaving one."""
        return not self._staying and not self._leaving

    def actual_state(self) -> PoolState:
        """The pool as it is now."""
        supervisors = self._staying | self._leaving
        return PoolState(
            len(self._staying),
            self._past_restarts + sum(supervisor.restarts for supervisor in supervisors.values()),
            tuple(supervisors[number].actual_state() for number in sorted(supervisors)),
        )

    async def _run(self, number: int, supervisor: ProcessSupervisor) -> None:
        await supervisor.run()
        self._past_restarts += supervisor.restarts
        self._leaving.pop(number, None)
        supervisor.stop()  # so that its end is noticed now that it is off the list

    def _free_number(self) -> int:
        number = 1
        while number in self._staying or number in self._leaving:
            number += 1
        return number
