"""Up: makes both stacks, or brings them up to date. Each step can be repeated, whatever broke off an earlier one."""

from collections.abc import Mapping, Sequence
from typing import Final

import trio

from cloudkon.aws.stack import Stack
from cloudkon.aws.stack_facts import NEVER_MADE, StackFacts, StackPlan
from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.model import POOLS
from cloudkon.prices import prices

from ..provision import check_data, data_plan
from ..target import Report
from ..target_options import WHOLE, Sizing
from .cost import Rate, reckon
from .preflight import check_cluster, check_quotas, ensure_service_roles
from .resources.account_record import AccountRecord
from .resources.account_stacks import Site
from .resources.auto_scaling_group import Machine, settle_group
from .resources.compute_parameters import (
    DEFAULT_INSTANCES,
    DEFAULT_TYPES,
    DEFAULT_VOLUME,
    check_worker_settings,
    lease_is_chosen,
    machine_parameters,
    worker_parameters,
)
from .resources.compute_stack import change, plan_compute, settled_creation
from .resources.ecs_service import read_services
from .resources.insights import remove_insights
from .resources.instance_types import MachineType, Room, check_sizes, describe_machines, room_of
from .resources.names import UNPUBLISHED, check_fleet, parameter
from .resources.network import find_network

FAILED_CREATION: Final = "ROLLBACK_COMPLETE"
NEW: Final = NEVER_MADE | {FAILED_CREATION}
"""States after which a stack is made from nothing."""
ROOM: Final = frozenset({"MaxInstances", "InstanceTypes", "WorkerCpu", "WorkerMemory", "AnimotoCpu", "AnimotoMemory"})
"""Parameters that how many workers can run follows from."""
HOLDING_DATA: Final = ("AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket")
RECENTLY: Final = "wait 60 seconds after deleting a queue"
QUEUE_SECONDS: Final = 65.0
"""How long SQS keeps a queue's name after its deletion (API reference, CreateQueue), and a little."""
YOUNG: Final = ("Invalid IAM Instance Profile", "Unable to assume the service linked role")
"""What Auto Scaling and ECS say while what IAM has made is not known everywhere yet."""


class Up:
    """One bringing up of a fleet."""

    def __init__(self, site: Site, sizing: Sizing, report: Report) -> None:
        """``sizing`` is what the user said; nothing is asked yet."""
        self._site, self._sizing, self._report = site, sizing, report
        self._control = site.control

    async def run(self) -> None:
        """Check, then make. Raises ``InvalidInput`` before anything is made, ``ServiceError`` saying what failed."""
        site, report = self._site, self._report
        self._check()
        compute = site.compute()
        facts = await compute.settled()
        given = await self._parameters(facts)
        AccountRecord(site.settings).write(site.account)
        report(f"bringing up fleet {site.fleet} on {site.account}")
        await ensure_service_roles(self._control, report)
        await self._make_data(site.data())
        await check_data(self._control.connection, site.settings)
        await self._make_compute(compute, given, creating=facts.state in NEW)
        await settle_group(self._control, site.fleet, report)
        made = (await compute.facts()).parameters
        if all(made.get(parameter(pool, "Image"), UNPUBLISHED) == UNPUBLISHED for pool in POOLS):
            report("its workers have no image yet; first: python -m fleet build, publish, deploy")

    async def preview(self) -> tuple[str, ...]:
        """What ``run`` would change, a line a resource. Nothing is done, and the change sets are gone afterwards."""
        self._check()
        lines: list[str] = []
        for stack in (self._site.data(), self._site.compute()):
            facts = await stack.settled()
            if facts.state == FAILED_CREATION:
                lines.append(f"{stack.name}: would be deleted, since its creation had failed, and made again")
                continue
            if stack.name == self._site.data().name:
                plan = await self._plan_data(stack)
            else:
                given = await self._parameters(facts)
                plan = await plan_compute(self._site, stack, given, creating=facts.state in NEW)
            lines += [f"{stack.name}: {change}" for change in plan.changes]
            await stack.discard(plan)
        return tuple(lines)

    def _check(self) -> None:
        check_fleet(self._site.settings)
        check_worker_settings(self._site.settings)
        self._sizing.check()

    async def _parameters(self, facts: StackFacts) -> dict[str, str]:
        """What the compute stack is to be given anew, after a look at network, machines and quotas."""
        new = facts.state in NEW
        known: Mapping[str, str] = {} if new else facts.parameters
        given = {**machine_parameters(self._sizing), **worker_parameters(self._site.settings)}
        architecture = given.get("Architecture") or known.get("Architecture") or "x86_64"
        types = (given.get("InstanceTypes") or known.get("InstanceTypes") or DEFAULT_TYPES[architecture]).split(",")
        await self._check_machines(given, known, architecture, types)
        if new:
            await check_cluster(self._control, self._site.fleet)
        if new or self._sizing.names_network:
            network = await find_network(self._control, self._sizing.vpc, self._sizing.subnets, types)
            given |= network.parameters()
            for subnet in network.subnets:
                self._report(f"subnet {subnet.id} ({subnet.zone}), out by {subnet.way_out}")
        return given

    async def _check_machines(
        self, given: Mapping[str, str], known: Mapping[str, str], architecture: str, types: list[str]
    ) -> None:
        machines = await describe_machines(self._control, types)
        for machine in machines:
            if architecture not in machine.architectures:
                raise InvalidInput(
                    f"instance type {machine.name}", f"it is not {architecture}", "See --arm, --x86, --instance-types"
                )
        check_sizes(machines, {**known, **given}, self._report)
        if known and given.keys() & ROOM:
            await self._check_counts(room_of(machines, {**known, **given}))
        most = int(given.get("MaxInstances") or known.get("MaxInstances") or DEFAULT_INSTANCES)
        volume = int(given.get("VolumeGiB") or known.get("VolumeGiB") or DEFAULT_VOLUME)
        self._tell_the_most(machines, most, volume)
        on_demand = int(given.get("OnDemandPercentage") or known.get("OnDemandPercentage") or WHOLE)
        base = int(given.get("OnDemandBase") or known.get("OnDemandBase") or 0)
        # A base of On-Demand instances needs their quota, whatever the share above it.
        spot = min(WHOLE - on_demand, WHOLE - 1) if base else WHOLE - on_demand
        await check_quotas(self._control, machines, most, spot=spot, report=self._report)

    def _tell_the_most(self, machines: Sequence[MachineType], most: int, volume: int) -> None:
        """Say what the instances can cost, were all of the dearest type and none of them Spot."""
        listed = prices()
        each = [reckon([Machine("", one.name, "running", 0.0)], volume, Rate(0, 0), listed) for one in machines]
        if any(cost.unknown for cost in each):
            return
        hour = most * max(cost.hour for cost in each)
        self._report(f"at most {most} instances at a time, ${hour:.2f} an hour ({listed.origin})")

    async def _check_counts(self, room: Room) -> None:
        """Refuse machines that can't hold the workers wanted now: they would keep those that there are, guard or not.

        ECS protects an instance with ECS tasks on it, and Auto Scaling ends none that is protected.
        """
        counts = {name: service.desired for name, service in (await read_services(self._site)).items()}
        if (needed := room.needed(counts)) > room.instances:
            wanted = " and ".join(f"{count} of pool {name}" for name, count in counts.items() if count)
            raise InvalidInput(
                f"{room.instances} instances",
                f"the workers that are wanted now, {wanted}, need {needed:.0f}, and would keep them",
                "First have fewer, by python -m fleet scale or autoscale, or give more --max-instances",
            )

    async def _make_data(self, data: Stack) -> None:
        try:
            await change(data, await self._plan_data(data), self._report)
        except ServiceError as error:
            if RECENTLY not in str(error):
                raise
            # So whoever takes a fleet down and brings it up again is told, or a failed creation that is tried again.
            self._report("queues of these names were deleted within the last minute: waiting until SQS allows new ones")
            await trio.sleep(QUEUE_SECONDS)
            await change(data, await self._plan_data(data), self._report)

    async def _plan_data(self, data: Stack) -> StackPlan:
        settings = self._site.settings
        keep = () if lease_is_chosen(settings) else ("VisibilitySeconds",)
        plan = await data_plan(data, settings, keep=keep, tags=self._site.tags)
        losing = [one for one in plan.changes if one.replaces or one.action == "Remove"]
        if lost := [one.resource for one in losing if one.kind in HOLDING_DATA]:
            await data.discard(plan)
            raise ServiceError(
                f"stack {data.name!r}: this would replace {', '.join(lost)}, and what is in there would be lost. "
                "Nothing was done; bring the fleet up with the settings it had, or take it down first"
            )
        return plan

    async def _make_compute(self, compute: Stack, given: Mapping[str, str], *, creating: bool) -> None:
        if creating:
            await remove_insights(self._site)
        try:
            await change(compute, await plan_compute(self._site, compute, given, creating=creating), self._report)
        except ServiceError as error:
            if not creating or not any(words in str(error) for words in YOUNG):
                raise
            self._report("a role was not known everywhere yet: making the stack once more")
            await change(compute, await plan_compute(self._site, compute, given, creating=True), self._report)
        await settled_creation(self._site, self._report)
