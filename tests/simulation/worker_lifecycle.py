"""Starts, stops, kills and disconnects simulated workers, at a time or at their k-th step."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import trio

from cloudkon.memory.virtual_clock import VirtualClock

CURRENT_WORKER: ContextVar["SimulatedWorker | None"] = ContextVar("CURRENT_WORKER", default=None)
"""The worker to which a trio task belongs. It stays set for calls that land after the worker's death."""


@dataclass(eq=False)
class SimulatedWorker:
    """One worker. ``version`` is that of the newest message it can read."""

    name: str
    clock: VirtualClock
    version: int
    run: Callable[[], Awaitable[None]]
    stop: Callable[[], None]
    on_end: Callable[["SimulatedWorker"], None]
    disconnected_until: float = 0.0
    """The virtual time before which none of its calls arrives."""
    ended: bool = False
    killed_by: int | None = None
    """The number of the task that killed it; ``None`` if it lives, or the schedule ended it."""
    _scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _steps_left: int = 0
    _action: Callable[[], None] | None = None

    async def run_to_end(self) -> None:
        CURRENT_WORKER.set(self)
        with self._scope:
            await self.run()
        self._end()

    def kill(self, by: int | None = None) -> None:
        """Kill the worker: nothing that it does later has an effect, except calls under way."""
        if not self.ended:
            self.killed_by = by
        self._end()
        self._scope.cancel()

    def after_steps(self, steps: int, action: Callable[[], None]) -> None:
        """Call ``action`` after ``steps`` more steps of its trio tasks; a step runs from one await to the next."""
        self._steps_left, self._action = steps, action

    def count_step(self) -> None:
        """Count one step of one of its trio tasks."""
        self._steps_left -= 1
        if not self._steps_left and self._action:
            self._action()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.on_end(self)


class StepCounter(trio.abc.Instrument):
    """Counts the steps of every worker."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        worker = task.context.get(CURRENT_WORKER)
        if worker is not None:
            worker.count_step()
