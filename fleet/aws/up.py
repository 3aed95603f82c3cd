"""Creates both stacks or updates them. Each step can be repeated after an interrupted run."""

from collections.abc import Mapping, Sequence
from typing import Final

import trio

from cloudkon.aws.stack import Stack
from cloudkon.aws.stack_facts import NEVER_MADE, StackFacts, StackPlan
from cloudkon.aws.stack_template import prepared, read_template
from cloudkon.errors import AccessDenied, InvalidInput, ServiceError
from cloudkon.model import POOLS
from cloudkon.prices import prices
from cloudkon.programs import command

from ..provision import check_data, data_plan
from ..resource_tags import remaining_tags
from ..target import Report
from ..target_options import Sizing
from .cost import Rate, fleet_cost
from .preflights.account_plan import check_account_plan
from .preflights.alarm_topic import check_alarm_topic
from .preflights.cluster_name import check_cluster
from .preflights.inquiry import Inquiry
from .preflights.long_arns import check_long_arns
from .preflights.public_access import find_public_access
from .preflights.quotas import InstanceMix, check_quotas
from .preflights.service_roles import ensure_service_roles
from .preflights.volume_key import report_volume_key
from .refresh import Refresh
from .resources.account_record import AccountRecord
from .resources.account_stacks import AccountStacks
from .resources.auto_scaling_group import Ec2Instance, restore_group_settings
from .resources.compute_parameters import (
    DEFAULT_ARCHITECTURE,
    DEFAULT_INSTANCES,
    DEFAULT_TYPES,
    DEFAULT_VOLUME,
    check_worker_settings,
    lease_is_chosen,
    sizing_parameters,
    worker_parameters,
)
from .resources.compute_stack import TEMPLATE, change, finish_creation, plan_compute, with_remedy
from .resources.data_parameters import data_parameters, option_costs
from .resources.ecs_service import read_services
from .resources.insights import remove_insights
from .resources.instance_types import (
    FleetCapacity,
    InstanceType,
    capacity_of,
    check_task_sizes,
    describe_instance_types,
)
from .resources.names import SERVICES, UNPUBLISHED, check_fleet, parameter
from .resources.network import find_network
from .rollout_watch import RolloutWatch

FAILED_CREATION: Final = "ROLLBACK_COMPLETE"
NEW_STATES: Final = NEVER_MADE | {FAILED_CREATION}
"""States in which a stack is created from scratch."""
CAPACITY: Final = frozenset(
    {"MaxInstances", "InstanceTypes", "WorkerCpu", "WorkerMemory", "AnimotoCpu", "AnimotoMemory"}
)
"""Parameters that determine how many workers can run."""
DATA_RESOURCE_TYPES: Final = ("AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket")
LAUNCH_TEMPLATE: Final = "AWS::EC2::LaunchTemplate"
QUEUE_NAME_RESERVED: Final = "wait 60 seconds after deleting a queue"
QUEUE_SECONDS: Final = 65.0
"""How long SQS reserves a deleted queue's name (API reference, CreateQueue), plus a margin."""
IAM_NOT_READY: Final = ("Invalid IAM Instance Profile", "Unable to assume the service linked role")
"""What Auto Scaling and ECS answer while a new IAM role or profile is not yet known everywhere."""
IAM_SECONDS: Final = (15.0, 45.0, 120.0)
"""Waits before a new role is tried again. In regions that an account has opted in to, IAM's copies come later."""


class Up:
    """One start or update of a fleet."""

    def __init__(self, stacks: AccountStacks, sizing: Sizing, report: Report, *, refresh: bool = False) -> None:
        """``sizing`` holds the user's options. ``refresh``: old instances are replaced. No AWS call is made yet."""
        self._stacks, self._sizing, self._report = stacks, sizing, report
        self._done = "Nothing was changed"
        """What an error says about the changes so far."""
        self._refresh = Refresh(stacks, report) if refresh else None
        self._control = stacks.control
        self._inquiry = Inquiry(stacks.control)

    async def run(self) -> None:
        """Check, then create or update. Raises ``InvalidInput`` before any change, ``ServiceError`` for a failure.

        ``AccessDenied``, as of a session that has expired, says what was done.
        """
        try:
            await self._run()
        except AccessDenied as error:
            raise error.extended(self._done) from error

    async def _run(self) -> None:
        stacks, report = self._stacks, self._report
        self._check()
        compute = stacks.compute()
        facts = await compute.wait_until_stable(RolloutWatch(stacks, report, own=False).check)
        given = await self._parameters(facts)
        chosen = await self._data_options()
        AccountRecord(stacks.settings).write(stacks.account)
        report(f"bringing up fleet {stacks.fleet} on {stacks.account}")
        self._done = "At most service-linked roles were made: AWS keeps one of each in every account"
        await ensure_service_roles(self._control, report)
        data, again = stacks.data().name, f"to finish it, run {command('fleet up')} again"
        self._done = f"Stack {data} may be unfinished, and {compute.name} was not changed: {again}"
        await self._create_data(stacks.data(), chosen)
        await check_data(self._control.connection, stacks.settings)
        self._done = f"Stack {data} is complete, {compute.name} may be unfinished: {again}"
        await self._create_compute(compute, given, creating=facts.state in NEW_STATES)
        made = await compute.facts()
        await restore_group_settings(self._control, made.outputs["GroupName"], report)
        if self._refresh:
            self._done = f"Both stacks are complete, and old instances may still run: {again}"
            await self._refresh.run()
        if all(made.parameters.get(parameter(pool, "Image"), UNPUBLISHED) == UNPUBLISHED for pool in POOLS):
            report(f"the workers have no image yet; next: {command('fleet build, publish, deploy')}")

    async def preview(self) -> tuple[str, ...]:
        """Return what ``run`` would change, one line a resource. Nothing changes; the change sets are deleted."""
        self._check()
        lines: list[str] = []
        kinds = set[str]()
        for stack in (self._stacks.data(), self._stacks.compute()):
            facts = await stack.wait_until_stable(RolloutWatch(self._stacks, self._report, own=False).check)
            given = await self._parameters(facts) if stack.name == self._stacks.compute().name else {}
            if facts.state == FAILED_CREATION:
                lines.append(f"{stack.name}: its creation failed; it would be deleted and created again")
                continue
            if stack.name == self._stacks.data().name:
                plan = await self._plan_data(stack, await self._data_options())
                if (wanted := self._sizing.termination_protection) not in (None, facts.protected):
                    lines.append(f"{stack.name}: turn termination protection {'on' if wanted else 'off'}")
            else:
                plan = await self._plan_compute(stack, given, creating=facts.state in NEW_STATES)
            lines += [f"{stack.name}: {change}" for change in plan.changes]
            kinds |= {change.kind for change in plan.changes}
            await stack.discard(plan)
        if self._refresh:
            lines.append(await self._refresh.preview(template_changes=LAUNCH_TEMPLATE in kinds))
        return tuple(lines)

    def _check(self) -> None:
        check_fleet(self._stacks.settings)
        check_worker_settings(self._stacks.settings)
        self._sizing.check()
        self._stacks.account.partition.check_services(SERVICES)

    async def _parameters(self, facts: StackFacts) -> dict[str, str]:
        """Return the compute stack's new parameters, after checks of tags, network, instance types and quotas."""
        new = facts.state in NEW_STATES
        known: Mapping[str, str] = {} if new else facts.parameters
        # Its template has the tags too, and a length that is allowed. Later, the data stack would be changed already.
        prepared(read_template(TEMPLATE), self._remaining_tags(facts))
        given = {**sizing_parameters(self._sizing), **worker_parameters(self._stacks.settings)}
        architecture = given.get("Architecture") or known.get("Architecture") or DEFAULT_ARCHITECTURE
        types = (given.get("InstanceTypes") or known.get("InstanceTypes") or DEFAULT_TYPES[architecture]).split(",")
        await self._check_instance_types(given, known, architecture, types)
        if new:
            await self._check_account()
        if topic := given.get("AlarmTopic"):
            await check_alarm_topic(self._inquiry, self._stacks.account, topic)
        if new or self._sizing.names_network:
            access = await find_public_access(self._inquiry)
            network = await find_network(self._control, self._sizing.vpc, self._sizing.subnets, types, access)
            given |= network.parameters()
            for subnet in network.subnets:
                self._report(f"subnet {subnet.id} ({subnet.zone}) reaches AWS by {subnet.way_out}")
        self._inquiry.report_failures(self._report)
        return given

    def _remaining_tags(self, facts: StackFacts) -> dict[str, str]:
        """Return the tags of a stack after the update. Raises ``InvalidInput`` if AWS would refuse them together."""
        return remaining_tags({} if facts.state == FAILED_CREATION else facts.tags, self._sizing.tags)

    async def _check_account(self) -> None:
        """Check what only matters to a new fleet."""
        account = self._stacks.account
        await check_cluster(self._control, self._stacks.fleet)
        await check_long_arns(self._inquiry, account.region)
        await report_volume_key(self._inquiry, account, self._report)

    async def _check_instance_types(
        self, given: Mapping[str, str], known: Mapping[str, str], architecture: str, types: list[str]
    ) -> None:
        instance_types = await describe_instance_types(self._control, types)
        for instance_type in instance_types:
            if architecture not in instance_type.architectures:
                raise InvalidInput(
                    f"instance type {instance_type.name}",
                    f"it is not {architecture}",
                    "See --arm, --x86, --instance-types",
                )
        await check_account_plan(self._inquiry, self._stacks.account, instance_types, architecture)
        check_task_sizes(instance_types, {**known, **given}, self._report)
        if known and given.keys() & CAPACITY:
            await self._check_counts(capacity_of(instance_types, {**known, **given}))
        most = int(given.get("MaxInstances") or known.get("MaxInstances") or DEFAULT_INSTANCES)
        volume = int(given.get("VolumeGiB") or known.get("VolumeGiB") or DEFAULT_VOLUME)
        self._report_highest_cost(instance_types, most, volume)
        mix = InstanceMix.of({**known, **given})
        await check_quotas(self._inquiry, instance_types, most, mix, self._report)

    def _report_highest_cost(self, instance_types: Sequence[InstanceType], most: int, volume: int) -> None:
        """Report the highest possible cost: every instance of the most expensive type, and none of them Spot."""
        listed = prices()
        each = [
            fleet_cost([Ec2Instance("", one.name, "running", 0.0)], volume, Rate(0, 0), listed)
            for one in instance_types
        ]
        if any(cost.unknown for cost in each):
            return
        hour = most * max(cost.hour for cost in each)
        self._report(f"at most {most} instances at a time, ${hour:.2f} an hour ({listed.origin})")

    async def _check_counts(self, capacity: FleetCapacity) -> None:
        """Refuse a size that can't hold the desired workers: the instances that run would stay, whatever the limit.

        ECS protects an instance with ECS tasks on it, and Auto Scaling terminates no protected instance.
        """
        counts = {name: service.desired for name, service in (await read_services(self._stacks)).items()}
        if (needed := capacity.needed(counts)) > capacity.instances:
            wanted = " and ".join(f"{count} of pool {name}" for name, count in counts.items() if count)
            raise InvalidInput(
                f"{capacity.instances} instances",
                f"the desired workers, {wanted}, need {needed:.0f} instances, which would keep running",
                f"Scale down first with {command('fleet scale')} or autoscale, or raise --max-instances",
            )

    async def _data_options(self) -> dict[str, str]:
        """Return the chosen parameters of the data stack, and report what they cost."""
        facts = await self._stacks.data().facts()
        self._remaining_tags(facts)
        known: Mapping[str, str] = {} if facts.state in NEW_STATES else facts.parameters
        chosen = data_parameters(self._sizing, known)
        for line in option_costs(chosen, known, prices()):
            self._report(line)
        return chosen

    async def _create_data(self, data: Stack, chosen: Mapping[str, str]) -> None:
        try:
            await change(data, await self._plan_data(data, chosen), self._report)
        except ServiceError as error:
            if QUEUE_NAME_RESERVED not in str(error):
                raise
            # This happens on an ``up`` right after a ``down --delete-data``, or after a failed creation.
            self._report("queues of these names were deleted within the last minute: waiting until SQS frees the names")
            await trio.sleep(QUEUE_SECONDS)
            await change(data, await self._plan_data(data, chosen), self._report)
        wanted = self._sizing.termination_protection
        if wanted is not None and wanted != (await data.facts()).protected:
            await data.protect(enabled=wanted)
            self._report(f"{data.name}: turned termination protection {'on' if wanted else 'off'}")

    async def _plan_data(self, data: Stack, chosen: Mapping[str, str]) -> StackPlan:
        settings = self._stacks.settings
        keep = () if lease_is_chosen(settings) else ("VisibilitySeconds",)
        tags = {**self._sizing.tags, **self._stacks.tags}
        try:
            plan = await data_plan(data, settings, chosen=chosen, keep=keep, tags=tags)
        except ServiceError as error:
            raise with_remedy(error) from error
        losing = [one for one in plan.changes if one.replaces or one.action == "Remove"]
        if lost := [one.resource for one in losing if one.kind in DATA_RESOURCE_TYPES]:
            await data.discard(plan)
            raise ServiceError(
                f"stack {data.name!r}: this would replace {', '.join(lost)} and lose their data. "
                "Nothing was changed. Run up with the settings it had, or take the fleet down first"
            )
        return plan

    async def _create_compute(self, compute: Stack, given: Mapping[str, str], *, creating: bool) -> None:
        if creating:
            await remove_insights(self._stacks)
        for wait in (*IAM_SECONDS, None):
            try:
                plan = await self._plan_compute(compute, given, creating=creating)
                await change(compute, plan, self._report, RolloutWatch(self._stacks, self._report))
                break
            except ServiceError as error:
                if wait is None or not creating or not any(words in str(error) for words in IAM_NOT_READY):
                    raise
                self._report(f"an IAM role is not yet known everywhere: creating the stack again in {wait:.0f} s")
                await trio.sleep(wait)
        await finish_creation(self._stacks, self._report)

    async def _plan_compute(self, compute: Stack, given: Mapping[str, str], *, creating: bool) -> StackPlan:
        return await plan_compute(self._stacks, compute, given, creating=creating, tags=self._sizing.tags)
