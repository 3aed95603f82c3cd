"""Protection: keeps scale-in and deployments from stopping a worker in mid-work, and never for longer than needed.

It is asked for when work comes and given up when there is none. A worker that is never idle gives it up between two
chunks every ``HOLD_SECONDS``, for ``EXPOSED_SECONDS``: without that, a busy fleet could not be scaled in or deployed.
Whoever is stopped then ends or gives back what it has begun, which costs no attempt; a Spot reclaim and StopTask
don't ask for protection at all, and leases remain what work is safe by. So a failure here never stops work.
"""

from collections.abc import Callable
from typing import Final, Protocol

import trio

from cloudkon.log import Log

from .agent import BLOCKED, AgentFault

LOOK_SECONDS: Final = 1.0
"""Between two looks at whether there is work: as long as that a busy worker may go unprotected."""
LINGER_SECONDS: Final = 5.0
"""Idle for so long before the protection goes: work that comes in drops would else ask twice a drop."""
PROTECTED_MINUTES: Final = 60
"""What is asked for. Lost workers are stoppable after that at the latest; ECS allows up to 2880."""
RENEW_SECONDS: Final = 30 * 60.0
HOLD_SECONDS: Final = 10 * 60.0
"""For how long a worker that is never idle holds on before it looks for a gap."""
EXPOSED_SECONDS: Final = 60.0
"""How long a gap lasts. ECS does not say how often it looks for what to stop: a minute is a guess, and a long one."""
AGAIN_SECONDS: Final = 15.0
"""After a refusal or a failure."""


class ProtectingAgent(Protocol):
    """The part of the agent that this needs; both calls raise ``AgentFault``."""

    async def protect(self, minutes: int) -> None:
        """Ask for it."""
        ...

    async def expose(self) -> None:
        """Give it up."""
        ...


class Protection:
    """Asks for protection and gives it up, as the worker's work comes and goes."""

    def __init__(
        self,
        agent: ProtectingAgent,
        busy: Callable[[], bool],
        closed: Callable[[], int],
        pause: Callable[[], None],
        resume: Callable[[], None],
        log: Log,
    ) -> None:
        """``busy`` says whether chunks are in hand, ``closed`` how many have ended since the start.

        ``pause`` is called when a deployment is about to replace this worker, so that it takes no new work, and
        ``resume`` when the deployment left it alone after all.
        """
        self._agent = agent
        self._busy = busy
        self._closed = closed
        self._pause = pause
        self._resume = resume
        self._log = log
        self._protected_since: float | None = None
        self._renewed = 0.0
        self._busy_at = 0.0
        self._not_before = 0.0
        self._paused = False
        self._closed_when_due: int | None = None

    async def run(self) -> None:
        """Go on until cancelled. The ECS task's end takes the protection with it."""
        while True:
            await self.look()
            await trio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Do what is due now."""
        now = trio.current_time()
        if self._busy():
            self._busy_at = now
        if now < self._not_before:
            return
        if self._protected_since is None:
            if self._busy() or self._paused:
                await self._protect()
        elif now - self._busy_at >= LINGER_SECONDS:
            await self._expose(again=0.0)
        elif self._in_a_gap(now - self._protected_since):
            await self._expose(again=EXPOSED_SECONDS)
        elif now - self._renewed >= RENEW_SECONDS:
            await self._protect()

    def _in_a_gap(self, held: float) -> bool:
        """Whether protection was held for long enough, and a chunk has ended since it was."""
        if held < HOLD_SECONDS:
            self._closed_when_due = None
            return False
        if self._closed_when_due is None:
            self._closed_when_due = self._closed()
        return self._closed() > self._closed_when_due

    async def _protect(self) -> None:
        try:
            await self._agent.protect(PROTECTED_MINUTES)
        except AgentFault as fault:
            self._failed(fault)
            if fault.reason == BLOCKED:
                self._take_no_new_work()
            return
        now = trio.current_time()
        self._renewed = now
        if self._protected_since is None:
            self._protected_since = now
            self._log.debug("protected")
        self._go_on()

    async def _expose(self, again: float) -> None:
        try:
            await self._agent.expose()
        except AgentFault as fault:
            self._failed(fault)
            return
        self._protected_since = None
        self._closed_when_due = None
        self._not_before = trio.current_time() + again
        self._log.debug("unprotected", seconds=again)

    def _failed(self, fault: AgentFault) -> None:
        self._not_before = trio.current_time() + AGAIN_SECONDS
        self._log.warning("protection-failed", error=str(fault))

    def _take_no_new_work(self) -> None:
        if not self._paused:
            self._paused = True
            self._log.info("paused", reason="a deployment is to replace this worker")
            self._pause()

    def _go_on(self) -> None:
        if self._paused:
            self._paused = False
            self._log.info("resumed")
            self._resume()
