"""Takes a fleet down step by step. The order makes sure that no step blocks the next; a failed step is noted.

An earlier, interrupted run may have done any step already, so each step checks the present state first.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from cloudkon.errors import CloudKonError, ServiceError
from cloudkon.model import POOLS
from cloudkon.programs import command

from ..data_deletion import delete_data
from ..target import Report
from .audit import audit
from .resources.account_record import AccountRecord
from .resources.account_stacks import AccountStacks, pause
from .resources.alarms import remove_alarms
from .resources.auto_scaling_group import AutoScalingGroup, change_group, find_group, find_instances
from .resources.auto_scaling_group import unprotect as unprotect_instances
from .resources.ecs_service import (
    ContainerInstance,
    container_instances,
    ecs_tasks,
    protected_tasks,
    read_services,
    set_desired_count,
)
from .resources.ecs_service import unprotect as unprotect_tasks
from .resources.insights import remove_insights, remove_late_insights
from .scaling import suspend

STOP_SECONDS: Final = 180.0
"""Time for ECS tasks to stop. Their stop timeout is 120 s (compute template), and ECS takes a while to begin."""
KILLED_SECONDS: Final = 60.0
"""Time for ECS tasks to stop after each was stopped on its own."""
GONE_SECONDS: Final = 300.0
"""Time for instances to terminate after their group is gone: a force-deleted group disappears before them."""
GROUP_SECONDS: Final = 600.0
"""Time for the group to become empty: an agent that doesn't respond delays the draining of its instance."""


class Down:
    """One shutdown of a fleet."""

    def __init__(self, stacks: AccountStacks, report: Report, *, with_data: bool, grace: float) -> None:
        """``grace``: seconds in which workers may go on before they are told to stop."""
        self._stacks, self._report = stacks, report
        self._with_data, self._grace = with_data, grace
        self._failures: list[str] = []

    async def run(self) -> None:
        """Take the fleet down. Raises ``ServiceError`` at the end if a step failed or something is left; names both."""
        stacks = self._stacks
        compute, data = stacks.compute(), stacks.data()
        await self._step("waiting for the stack", compute.wait_until_stable)
        for pool in POOLS:
            halt = partial(suspend, stacks.control, stacks.fleet, pool.name, suspended=True)
            await self._step(f"suspending the autoscaling of pool {pool.name}", halt)
        await self._step("stopping the services", self._stop_services)
        await self._step("waiting for the workers", self._drain)
        await self._step("ending the instances", self._end_instances)
        await self._step("deregistering instances from the cluster", self._deregister_instances)
        await self._step(f"deleting stack {compute.name}", self._delete_compute)
        await self._step("removing alarms that AWS left behind", self._remove_alarms)
        if self._with_data:
            self._report("deleting messages, ledger and stored objects")
            await self._step(
                f"deleting stack {data.name}", partial(delete_data, stacks.settings, stacks.control.connection)
            )
        left: list[str] = []
        await self._step("checking what is left", partial(self._audit, left))
        if left or self._failures:
            raise ServiceError(self._summary(left))
        if self._with_data:
            AccountRecord(stacks.settings).forget()

    async def _step(self, step: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run one step and note its failure. The next step may still succeed."""
        try:
            await work()
        except CloudKonError as error:
            self._report(f"{step} failed: {error}")
            self._failures.append(f"{step}: {error}")

    async def _audit(self, left: list[str]) -> None:
        left += await audit(self._stacks, with_data=self._with_data)

    def _summary(self, left: list[str]) -> str:
        parts = [f"fleet {self._stacks.fleet!r} is not fully down"]
        parts += [f"left: {', '.join(left)}"] if left else []
        parts += self._failures
        return "; ".join(parts) + f". Run it again, it resumes where it stopped: {command('fleet down')}"

    async def _delete_compute(self) -> None:
        compute = self._stacks.compute()
        if not (await compute.facts()).exists:
            # An interrupted run may have deleted the stack without waiting for late metrics.
            await compute.delete()
            await remove_insights(self._stacks)
            return
        self._report(f"deleting stack {compute.name}")
        try:
            await compute.delete()
        except ServiceError as error:
            # ECS and Auto Scaling may release resources late: then the first deletion fails and the second succeeds.
            self._report(f"deleting it again: {error}")
            await compute.delete()
        self._report("waiting for late metrics, which would recreate a log group")
        await remove_late_insights(self._stacks)

    async def _remove_alarms(self) -> None:
        """Delete the alarms of the stack's scaling. Once the stack is gone, nothing uses them."""
        if (await self._stacks.compute().facts()).exists:
            return
        if removed := await remove_alarms(self._stacks):
            self._report(f"removed {len(removed)} alarms that the scaling left behind")

    async def _stop_services(self) -> None:
        for service in (await read_services(self._stacks)).values():
            if service.desired:
                await set_desired_count(self._stacks, service.pool, 0)

    async def _drain(self) -> None:
        """Wait for the workers to stop: on their own, then after they are told to, then one ECS task at a time."""
        if self._grace and await self._running():
            self._report(f"workers have {self._grace:.0f} s to finish their work")
            await self._wait_until_stopped(self._grace)
        if not await self._running():
            return
        self._report("telling the workers to stop")
        if await self._wait_until_stopped(STOP_SECONDS, self._clear_protection):
            return
        self._report("some workers did not stop: stopping their ECS tasks one by one")
        await self._stop_each()
        if not await self._wait_until_stopped(KILLED_SECONDS, self._clear_protection):
            # Their instances' agents don't respond. These ECS tasks end with their instances.
            self._report(f"{await self._running()} ECS tasks still run: terminating their instances anyway")

    async def _running(self) -> int:
        return sum(service.running + service.pending for service in (await read_services(self._stacks)).values())

    async def _wait_until_stopped(self, seconds: float, meanwhile: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Wait up to ``seconds`` for all ECS tasks to end, calling ``meanwhile`` at each poll. Return the outcome."""
        deadline = trio.current_time() + seconds
        while await self._running():
            if trio.current_time() >= deadline:
                return False
            if meanwhile:
                await meanwhile()
            await pause()
        return True

    async def _clear_protection(self) -> None:
        """Remove scale-in protection. Runs at each poll, since workers may protect themselves again until they stop."""
        for pool in POOLS:
            if protected := await protected_tasks(self._stacks, pool.name):
                await unprotect_tasks(self._stacks, protected)

    async def _stop_each(self) -> None:
        for pool in POOLS:
            for task in await ecs_tasks(self._stacks, pool.name):
                await self._stacks.ecs("stop_task", task=task.arn, reason="the fleet is taken down")

    async def _end_instances(self) -> None:
        """Scale the group to zero; delete it by force if that takes too long."""
        if not await self._group():
            return
        deadline = trio.current_time() + GROUP_SECONDS
        while (group := await self._group()) and (group.instances or group.desired):
            if trio.current_time() >= deadline:
                await self._force_delete(group)
                return
            await self._scale_to_zero(group)
            await pause()

    async def _scale_to_zero(self, group: AutoScalingGroup) -> None:
        """Set the desired capacity to 0. Runs at each poll, since the cluster's own scaling may raise it again."""
        if group.deleting:
            return
        control = self._stacks.control
        if group.protects_new:
            await change_group(control, group, NewInstancesProtectedFromScaleIn=False)
        unprotected = await unprotect_instances(control, group)
        if group.desired:
            self._report(f"terminating {len(group.instances)} instances")
        if group.desired or unprotected:
            await change_group(control, group, DesiredCapacity=0)

    async def _force_delete(self, group: AutoScalingGroup) -> None:
        self._report(f"{len(group.instances)} instances did not terminate: force-deleting the group")
        if not group.deleting:
            await self._delete_group(group)
        deadline = trio.current_time() + GROUP_SECONDS
        while await self._group():
            if trio.current_time() >= deadline:
                raise ServiceError(f"Auto Scaling group {group.name} is still being deleted")
            await pause()

    async def _delete_group(self, group: AutoScalingGroup) -> None:
        try:
            await self._stacks.control.call(
                "autoscaling", "delete_auto_scaling_group", AutoScalingGroupName=group.name, ForceDelete=True
            )
        except ServiceError:
            # AWS refuses a second deletion. It may mean that the answer to a first call was lost.
            there = await self._group()
            if there and not there.deleting:
                raise

    async def _deregister_instances(self) -> None:
        """Deregister terminated instances whose agent could not do it: a cluster with instances can't be deleted.

        ECS does it itself only if the agent was connected (ECS API reference, DeregisterContainerInstance).
        """
        deadline = trio.current_time() + GONE_SECONDS
        while registered := await container_instances(self._stacks):
            existing = {one.id for one in await find_instances(self._stacks.control, self._stacks.fleet)}
            for one in registered:
                if one.ec2_id not in existing:
                    await self._deregister(one)
            if trio.current_time() >= deadline:
                raise ServiceError(f"{len(registered)} instances are still registered with the cluster")
            await pause()

    async def _deregister(self, one: ContainerInstance) -> None:
        try:
            await self._stacks.ecs("deregister_container_instance", containerInstance=one.arn, force=True)
        except ServiceError as error:
            # ECS answers so for an instance that is already deregistered; the next poll shows it.
            if error.code != "InvalidParameterException":
                raise

    async def _group(self) -> AutoScalingGroup | None:
        return await find_group(self._stacks.control, self._stacks.fleet)
