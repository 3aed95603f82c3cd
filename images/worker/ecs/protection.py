"""Protects a worker from scale-in and deployments while it has work, and never for longer than needed.

It asks for protection when work comes and ends it when the worker is idle. A worker that is never idle ends it
between two chunks every ``HOLD_SECONDS``, for ``EXPOSED_SECONDS``: without that, a busy fleet could not be scaled in or
deployed. A worker that is stopped then finishes or gives back its chunks, which costs no attempt. A Spot reclaim and
StopTask ignore protection, and work is safe under its leases without it. So a failure here never stops work.
"""

from collections.abc import Callable
from typing import Final, Protocol

import trio

from cloudkon.log import Log

from .agent import BLOCKED, AgentFault

CHECK_SECONDS: Final = 1.0
"""Time between two checks for work, and so the longest time for which a busy worker is unprotected."""
LINGER_SECONDS: Final = 5.0
"""How long a worker must be idle before the protection ends: otherwise each short gap would cost two requests."""
PROTECTED_MINUTES: Final = 60
"""The duration that is asked for. After it even a lost worker can be stopped; ECS allows up to 2880."""
RENEW_SECONDS: Final = 30 * 60.0
HOLD_SECONDS: Final = 10 * 60.0
"""How long a worker that is never idle stays protected before it looks for a gap between chunks."""
EXPOSED_SECONDS: Final = 60.0
"""How long such a gap lasts. ECS doesn't document how often it looks for tasks to stop; a minute should be enough."""
RETRY_SECONDS: Final = 15.0
"""Wait after a refusal or a failure."""


class ProtectingAgent(Protocol):
    """The part of the agent that this module needs; both calls raise ``AgentFault``."""

    async def protect(self, minutes: int) -> None:
        """Start or prolong the protection."""
        ...

    async def expose(self) -> None:
        """End the protection."""
        ...


class Protection:
    """Starts and ends the protection as the worker's work comes and goes."""

    def __init__(
        self,
        agent: ProtectingAgent,
        busy: Callable[[], bool],
        closed: Callable[[], int],
        on_blocked: Callable[[], None],
        on_unblocked: Callable[[], None],
        log: Log,
    ) -> None:
        """``busy`` returns whether chunks are in flight, ``closed`` how many have ended since the start.

        ``on_blocked`` is called when a deployment is about to replace this worker, so that it accepts no new work;
        ``on_unblocked`` is called if the deployment has left it alone after all.
        """
        self._agent = agent
        self._busy = busy
        self._closed = closed
        self._on_blocked = on_blocked
        self._on_unblocked = on_unblocked
        self._log = log
        self._protected_since: float | None = None
        self._renewed = 0.0
        self._busy_at = 0.0
        self._not_before = 0.0
        self._paused = False
        self._closed_when_due: int | None = None

    async def run(self) -> None:
        """Check until cancelled. The protection ends with the ECS task."""
        while True:
            await self.check()
            await trio.sleep(CHECK_SECONDS)

    async def check(self) -> None:
        """Make the request that is due now, if any."""
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
        """Whether the protection has lasted long enough, and a chunk has ended since then."""
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
                self._block()
            return
        now = trio.current_time()
        self._renewed = now
        if self._protected_since is None:
            self._protected_since = now
            self._log.debug("protected")
        self._unblock()

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
        self._not_before = trio.current_time() + RETRY_SECONDS
        self._log.warning("protection-failed", error=str(fault))

    def _block(self) -> None:
        if not self._paused:
            self._paused = True
            self._log.info("paused", reason="a deployment is about to replace this worker")
            self._on_blocked()

    def _unblock(self) -> None:
        if self._paused:
            self._paused = False
            self._log.info("resumed")
            self._on_unblocked()
