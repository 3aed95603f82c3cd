"""Says why a rollout makes no progress while CloudFormation waits for it, and cancels one that can't succeed.

CloudFormation follows a service's deployment for up to three hours without a word, and ECS's circuit breaker counts
only ECS tasks that fail, not those that wait for an instance.
"""

import math
from dataclasses import replace
from typing import Final

import trio

from cloudkon.errors import CloudKonError, ServiceError
from cloudkon.model import POOLS
from cloudkon.programs import command

from ..target import Report
from .diagnosis import Finding, earlier_failures
from .periodic_diagnosis import PeriodicDiagnosis
from .resources.account_stacks import AccountStacks
from .resources.ecs_service import PoolService, read_services

STALLED_SECONDS: Final = 300.0
"""A permanent problem ends a rollout that has not progressed for so long. Without capacity, ECS replaces old ECS tasks
in place, as far as the minimum of healthy ones allows, which takes about a minute each time. And an instance that was
refused at first may boot by now, which takes three."""


class RolloutWatch:
    """Watches the services during one update of the stack. Call ``check`` at each poll of the stack."""

    def __init__(self, stacks: AccountStacks, report: Report, *, own: bool = True) -> None:
        """``own``: this command began the update, and so may cancel it."""
        self._stacks, self._report, self._own = stacks, report, own
        self.hopeless = ""
        """The permanent problem for which the update was cancelled, if it was."""
        self._diagnosis = PeriodicDiagnosis(stacks, report)
        self._progressed = trio.current_time()
        self._missing: float = math.inf
        self._earlier: set[str] | None = None

    async def check(self) -> None:
        """Diagnose, if it is time to, and report what is new. A diagnosis that fails is reported, and changes nothing.

        Raises ``ServiceError`` for a permanent problem, unless the update could be cancelled and its rollback succeeds.
        """
        if self._earlier is None:
            self._earlier = await self._failures()
        if not self._diagnosis.due():
            return
        try:
            finding = await self._finding()
        except CloudKonError as error:
            finding = self._diagnosis.tell(Finding(f"the state of the rollout could not be read: {error}"))
        stalled = trio.current_time() - self._progressed >= STALLED_SECONDS
        if finding and finding.permanent and stalled:
            await self._give_up(finding.text)

    async def _finding(self) -> Finding | None:
        services = [_rolling(one) for one in (await read_services(self._stacks)).values() if not one.settled]
        missing = sum(max(one.desired - one.running, 0) for one in services)
        if missing < self._missing or not missing:
            self._progressed = trio.current_time()
        self._missing = missing
        return await self._diagnosis.diagnose(services, self._earlier or ())

    async def _failures(self) -> set[str]:
        """Return failures from before the rollout. If nobody can say, the diagnosis counts them too."""
        try:
            return await earlier_failures(self._stacks, *(pool.name for pool in POOLS))
        except CloudKonError:
            return set()

    async def _give_up(self, reason: str) -> None:
        """Cancel the update, once. ECS may start new ECS tasks for the rollback too, which then waits for the same."""
        compute = self._stacks.compute()
        by_hand = f"Cancel it with: aws cloudformation cancel-update-stack --stack-name {compute.name}"
        if not self._own:
            raise ServiceError(
                f"{reason}. Nothing was done: a change of stack {compute.name!r} is still in progress. {by_hand}"
            )
        if self.hopeless:
            raise ServiceError(
                f"{reason}. So the update of stack {compute.name!r} was cancelled, but its rollback waits for the same."
                f" CloudFormation continues for up to three hours; watch it with: {command('fleet status')}"
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
            self._progressed = trio.current_time()
            self._report(f"{compute.name}: cancelling the update, which CloudFormation then rolls back")


def _rolling(service: PoolService) -> PoolService:
    """Return a service as the rollout sees it: only ECS tasks of the newest deployment count, until all of them run."""
    newest = next((one for one in service.deployments if one.status == "PRIMARY"), None)
    if newest is None or newest.running >= service.desired:
        return service
    return replace(service, running=newest.running)
