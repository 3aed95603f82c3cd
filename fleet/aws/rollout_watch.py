"""Says why a rollout makes no progress while CloudFormation waits for it, and cancels one that can't succeed.

CloudFormation follows a service's deployment for up to three hours without a word, and ECS's circuit breaker counts
only ECS tasks that fail, not those that wait for an instance.
"""

import math
from dataclasses import replace
from typing import Final

import trio

from cloudkon.errors import CloudKonError, ServiceError

from ..target import Report
from .diagnosis import Finding, diagnose, gather_evidence
from .resources.account_stacks import AccountStacks
from .resources.ecs_service import PoolService, ecs_tasks, read_services

DIAGNOSIS_SECONDS: Final = 20.0
"""Interval between two diagnoses: each makes half a dozen calls."""
STALLED_SECONDS: Final = 120.0
"""A permanent problem ends a rollout that has not progressed for so long. Without capacity, ECS replaces old ECS tasks
in place, as far as the minimum of healthy ones allows: that needs a stop and a start, of about a minute."""


class RolloutWatch:
    """Watches the services during one update of the stack. Call ``check`` at each poll of the stack."""

    def __init__(self, stacks: AccountStacks, report: Report, *, own: bool = True) -> None:
        """``own``: this command began the update, and so may cancel it."""
        self._stacks, self._report, self._own = stacks, report, own
        self.hopeless = ""
        """The permanent problem for which the update was cancelled, if it was."""
        self._said = ""
        self._next = trio.current_time() + DIAGNOSIS_SECONDS
        self._progressed = trio.current_time()
        self._missing: float = math.inf
        self._earlier: set[str] | None = None

    async def check(self) -> None:
        """Diagnose, if it is time to, and report what is new. A diagnosis that fails is reported, and changes nothing.

        Raises ``ServiceError`` for a permanent problem of an update that another command began.
        """
        if trio.current_time() < self._next or self.hopeless:
            return
        self._next = trio.current_time() + DIAGNOSIS_SECONDS
        try:
            findings = await self._findings()
        except CloudKonError as error:
            findings = [Finding(f"the state of the rollout could not be read: {error}")]
        if findings and findings[0].text != self._said:
            self._said = findings[0].text
            self._report(self._said)
        stalled = trio.current_time() - self._progressed >= STALLED_SECONDS
        if findings and findings[0].permanent and stalled:
            await self._give_up(findings[0].text)

    async def _findings(self) -> list[Finding]:
        services = [_rolling(one) for one in (await read_services(self._stacks)).values() if not one.settled]
        if self._earlier is None:
            # Earlier failures don't count. They are identified by ARN, because the local clock differs from AWS's.
            self._earlier = {
                task.arn for one in services for task in await ecs_tasks(self._stacks, one.pool, "STOPPED")
            }
        missing = sum(max(one.desired - one.running, 0) for one in services)
        if missing < self._missing or not missing:
            self._progressed = trio.current_time()
        self._missing = missing
        found = [
            finding for one in services for finding in diagnose(await gather_evidence(self._stacks, one, self._earlier))
        ]
        return sorted(found, key=lambda finding: not finding.permanent)

    async def _give_up(self, reason: str) -> None:
        compute = self._stacks.compute()
        by_hand = f"Cancel it with: aws cloudformation cancel-update-stack --stack-name {compute.name}"
        if not self._own:
            raise ServiceError(
                f"{reason}. Nothing was done: a change of stack {compute.name!r} is still in progress. {by_hand}"
            )
        try:
            cancelled = await compute.cancel_update()
        except CloudKonError as error:
            raise ServiceError(
                f"{reason}. The update of stack {compute.name!r} could not be cancelled ({error}). CloudFormation "
                f"continues, and rolls it back after three hours. {by_hand}"
            ) from error
        if cancelled:
            self.hopeless = reason
            self._report(f"{compute.name}: cancelling the update, which CloudFormation then rolls back")


def _rolling(service: PoolService) -> PoolService:
    """Return a service as the rollout sees it: only ECS tasks of the newest deployment count, until all of them run."""
    newest = next((one for one in service.deployments if one.status == "PRIMARY"), None)
    if newest is None or newest.running >= service.desired:
        return service
    return replace(service, running=newest.running)
