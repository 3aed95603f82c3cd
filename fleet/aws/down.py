"""Down: takes a fleet away in the order in which nothing holds up the next, and goes on past what fails.

Any step may have been done before, by a run that broke off: each looks first at how things are.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from cloudkon.errors import CloudKonError, ServiceError
from cloudkon.model import POOLS

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
"""How long ECS tasks may take to end: their stop timeout is 120 (compute template), and ECS takes a while to begin."""
KILLED_SECONDS: Final = 60.0
"""And once they were stopped one by one."""
GONE_SECONDS: Final = 300.0
"""How long instances may take from their group's end to their own: a group deleted by force goes before them."""
GROUP_SECONDS: Final = 600.0
"""How long instances may take to end: an agent that doesn't answer holds up its instance's draining."""


class Down:
    """One taking down of a fleet."""

    def __init__(self, stacks: AccountStacks, report: Report, *, with_data: bool, grace: float) -> None:
        """``grace``: seconds that workers may go on with what they have begun before they are told to stop."""
        self._stacks, self._report = stacks, report
        self._with_data, self._grace = with_data, grace
        self._faults: list[str] = []

    async def run(self) -> None:
        """Do it. Raises ``ServiceError`` at the end, naming what failed and what is left."""
        stacks = self._stacks
        compute, data = stacks.compute(), stacks.data()
        await self._step("waiting for the stack", compute.settled)
        for pool in POOLS:
            halt = partial(suspend, stacks.control, stacks.fleet, pool.name, suspended=True)
            await self._step(f"suspending the autoscaling of pool {pool.name}", halt)
        await self._step("stopping the services", self._stop_services)
        await self._step("waiting for the workers", self._drain)
        await self._step("ending the instances", self._end_instances)
        await self._step("taking them off the cluster", self._deregister_instances)
        await self._step(f"deleting stack {compute.name}", self._delete_compute)
        await self._step("removing what AWS's own scaling left", self._remove_alarms)
        if self._with_data:
            self._report("deleting messages, ledger and stored objects")
            await self._step(
                f"deleting stack {data.name}", partial(delete_data, stacks.settings, stacks.control.connection)
            )
        left: list[str] = []
        await self._step("looking for what is left", partial(self._audit, left))
        if left or self._faults:
            raise ServiceError(self._failure(left))
        if self._with_data:
            AccountRecord(stacks.settings).forget()

    async def _step(self, doing: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do one thing, and note its failure: the next may go well all the same."""
        try:
            await work()
        except CloudKonError as error:
            self._report(f"{doing} failed: {error}")
            self._faults.append(f"{doing}: {error}")

    async def _audit(self, left: list[str]) -> None:
        left += await audit(self._stacks, with_data=self._with_data)

    def _failure(self, left: list[str]) -> str:
        parts = [f"fleet {self._stacks.fleet!r} is not wholly down"]
        parts += [f"left: {', '.join(left)}"] if left else []
        parts += self._faults
        return "; ".join(parts) + ". Run it again; it goes on where it stopped: python -m fleet down"

    async def _delete_compute(self) -> None:
        compute = self._stacks.compute()
        if not (await compute.facts()).made:
            # Also where a run that broke off had deleted it, and had not waited for what is written late.
            await compute.delete()
            await remove_insights(self._stacks)
            return
        self._report(f"deleting stack {compute.name}")
        try:
            await compute.delete()
        except ServiceError as error:
            # What ECS and Auto Scaling let go of late makes a first deletion fail and not a second.
            self._report(f"deleting it once more: {error}")
            await compute.delete()
        self._report("waiting for the last metrics, which would leave a log group behind")
        await remove_late_insights(self._stacks)

    async def _remove_alarms(self) -> None:
        """Once the stack is gone, nothing looks at the alarms of its scaling any more."""
        if (await self._stacks.compute().facts()).made:
            return
        if removed := await remove_alarms(self._stacks):
            self._report(f"removed {len(removed)} alarms that the scaling had left behind")

    async def _stop_services(self) -> None:
        for service in (await read_services(self._stacks)).values():
            if service.desired:
                await set_desired_count(self._stacks, service.pool, 0)

    async def _drain(self) -> None:
        """Wait for the workers to end: first by themselves, then told to, then stopped one by one."""
        if self._grace and await self._running():
            self._report(f"workers have {self._grace:.0f} s to end what they have begun")
            await self._emptied(self._grace)
        if not await self._running():
            return
        self._report("telling the workers to stop")
        if await self._emptied(STOP_SECONDS, self._clear_protection):
            return
        self._report("some workers did not end: stopping their ECS tasks one by one")
        await self._stop_each()
        if not await self._emptied(KILLED_SECONDS, self._clear_protection):
            # Those of instances whose agent hears nothing: they go with their instances.
            self._report(f"{await self._running()} ECS tasks still run: ending their instances all the same")

    async def _running(self) -> int:
        return sum(service.running + service.pending for service in (await read_services(self._stacks)).values())

    async def _emptied(self, seconds: float, meanwhile: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Wait up to so many seconds for all ECS tasks to end, doing something at each look; say whether they did."""
        deadline = trio.current_time() + seconds
        while await self._running():
            if trio.current_time() >= deadline:
                return False
            if meanwhile:
                await meanwhile()
            await pause()
        return True

    async def _clear_protection(self) -> None:
        """Workers that were told nothing yet may ask for protection anew: this is done at each look."""
        for pool in POOLS:
            if protected := await protected_tasks(self._stacks, pool.name):
                await unprotect_tasks(self._stacks, protected)

    async def _stop_each(self) -> None:
        for pool in POOLS:
            for task in await ecs_tasks(self._stacks, pool.name):
                await self._stacks.ecs("stop_task", task=task.arn, reason="the fleet is taken down")

    async def _end_instances(self) -> None:
        """Have the group end its instances; by force where that takes too long."""
        if not await self._group():
            return
        deadline = trio.current_time() + GROUP_SECONDS
        while (group := await self._group()) and (group.instances or group.desired):
            if trio.current_time() >= deadline:
                await self._force(group)
                return
            await self._empty(group)
            await pause()

    async def _empty(self, group: AutoScalingGroup) -> None:
        """Ask for no instances. At each look: the cluster's own scaling may have asked for some meanwhile."""
        if group.deleting:
            return
        control = self._stacks.control
        if group.protects_new:
            await change_group(control, group, NewInstancesProtectedFromScaleIn=False)
        unprotected = await unprotect_instances(control, group)
        if group.desired:
            self._report(f"ending {len(group.instances)} instances")
        if group.desired or unprotected:
            await change_group(control, group, DesiredCapacity=0)

    async def _force(self, group: AutoScalingGroup) -> None:
        self._report(f"{len(group.instances)} instances did not end: deleting the group with them")
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
            # Refused where it is under way already: the answer of a first call was lost.
            there = await self._group()
            if there and not there.deleting:
                raise

    async def _deregister_instances(self) -> None:
        """Deregister instances that are gone and whose agent could not do it: no cluster is deleted before that.

        ECS does it by itself only where the agent was connected (ECS API reference, DeregisterContainerInstance).
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
            # So ECS says of one that is not there any more; the next look tells.
            if error.code != "InvalidParameterException":
                raise

    async def _group(self) -> AutoScalingGroup | None:
        return await find_group(self._stacks.control, self._stacks.fleet)
