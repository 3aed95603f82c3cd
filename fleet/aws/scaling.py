"""Sets a pool's count by hand, and its autoscaling by backlog."""

import math
from dataclasses import replace
from typing import Final

import trio

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.stack_facts import StackFacts
from cloudkon.aws.waker import SCALABLE, find_scaling, resource_id
from cloudkon.errors import InvalidInput, NoFleet, ServiceError
from cloudkon.model import Pool
from cloudkon.programs import command

from ..target import Report
from ..target_options import AutoscaleRange
from .diagnosis import earlier_failures
from .periodic_diagnosis import PeriodicDiagnosis
from .preflights.inquiry import Inquiry
from .preflights.quotas import VcpuQuotas, find_quotas
from .resources.account_stacks import AccountStacks, pause
from .resources.compute_stack import change, finish_creation, plan_compute
from .resources.ecr import is_published
from .resources.ecs_service import PoolService, image_of, read_services, set_desired_count
from .resources.instance_types import FleetCapacity, capacity_of, present_instance_types
from .resources.names import parameter
from .rollout_watch import RolloutWatch

PATIENCE_SECONDS: Final = 1200.0
"""Time to reach a count: instances boot in three minutes, and capacity may be short for longer."""


async def suspend(control: ControlPlane, fleet: str, pool: str, *, suspended: bool) -> bool:
    """Suspend or resume a pool's autoscaling. Return whether that changed anything."""
    scaling = await find_scaling(control, fleet, pool)
    if scaling is None or scaling.suspended == suspended:
        return False
    state = dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), suspended
    )
    await control.call(
        "application-autoscaling",
        "register_scalable_target",
        ResourceId=resource_id(fleet, pool),
        SuspendedState=state,
        **SCALABLE,
    )
    return True


async def scale(stacks: AccountStacks, pool: Pool, count: int, report: Report) -> None:
    """Set a pool's count by hand and wait until it is reached. If interrupted, ECS continues towards the count.

    Raises ``InvalidInput``, before any change, for a count that can never run or a pool without an image.
    """
    facts = await stacks.compute_facts()
    if facts.parameters.get("Creating") == "true":
        await finish_creation(stacks, report)
    service = await _service(stacks, pool)
    if count:
        others = await _others(stacks, pool)
        capacity, quotas = await _limits(stacks, facts, report)
        capacity.check(pool.name, count, others)
        # What runs already has its vCPUs, whatever the quota is now.
        if quotas and count > service.running and (refusal := quotas.refusal(pool.name, count, others)):
            raise refusal
        await _check_image(stacks, pool, service)
    if await suspend(stacks.control, stacks.fleet, pool.name, suspended=True):
        report(f"pool {pool.name}: autoscaling is suspended; resume it with: {command('fleet autoscale')}")
    earlier = await earlier_failures(stacks, pool.name) if count else set()
    await set_desired_count(stacks, pool.name, count)
    report(f"pool {pool.name}: {count} wanted (Ctrl-C stops only the waiting)")
    await _wait_for_count(stacks, pool, count, earlier, report)


async def autoscale(stacks: AccountStacks, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
    """Autoscale a pool within a range, or within the range it has; resume what ``scale`` suspended.

    Raises ``InvalidInput`` for an invalid range, one whose maximum can never run, or a pool without an image.
    """
    facts = await stacks.compute_facts()
    await finish_creation(stacks, report, RolloutWatch(stacks, report, own=False))
    if wanted is None:
        if not await find_scaling(stacks.control, stacks.fleet, pool.name):
            raise InvalidInput(f"pool {pool.name}", "it has no range yet", "Give --max, and --min and --per-worker")
    else:
        wanted.check()
        others = await _others(stacks, pool)
        capacity, quotas = await _limits(stacks, facts, report)
        capacity.check(pool.name, wanted.most, {})
        # The maximum may share instances with the other pool. The minimum runs all the time.
        capacity.check(pool.name, wanted.least, others)
        if quotas and (refusal := quotas.refusal(pool.name, wanted.least, others)):
            raise refusal
        if quotas and (refusal := quotas.refusal(pool.name, wanted.most, {})):
            report(f"warning: --max {wanted.most} can't be reached: {refusal}")
    if wanted is None or wanted.most:
        # Without an image, the first message would start instances, which cost money, for workers that can't start.
        await _check_image(stacks, pool, await _service(stacks, pool))
    if wanted:
        names = ("Min", "Max", "PerWorker")
        values = (wanted.least, wanted.most, wanted.per_worker)
        given = {parameter(pool, name): str(value) for name, value in zip(names, values, strict=True)}
        compute = stacks.compute()
        await change(compute, await plan_compute(stacks, compute, given), report)
    if await suspend(stacks.control, stacks.fleet, pool.name, suspended=False):
        report(f"pool {pool.name}: autoscaling is resumed")
    await _bring_into_range(stacks, pool, report)


async def _bring_into_range(stacks: AccountStacks, pool: Pool, report: Report) -> None:
    """Move a count outside the range to the nearer bound.

    Application Auto Scaling does so only at its next step in that direction (ECS guide, Automatically scale your Amazon
    ECS service). A pool at zero would not get its minimum before work arrives; one above its maximum would keep all
    workers under load.
    """
    scaling, desired = (
        await find_scaling(stacks.control, stacks.fleet, pool.name),
        (await _service(stacks, pool)).desired,
    )
    if scaling is None:
        return
    count = max(scaling.least, min(scaling.most, desired))
    if count != desired:
        await set_desired_count(stacks, pool.name, count)
        report(f"pool {pool.name}: {count} wanted instead of {desired}")


async def _limits(stacks: AccountStacks, facts: StackFacts, report: Report) -> tuple[FleetCapacity, VcpuQuotas | None]:
    """Return the most that ``--max-instances`` and the account's quotas let the fleet run."""
    types, inquiry = await present_instance_types(stacks.control, facts), Inquiry(stacks.control)
    quotas = await find_quotas(inquiry, types, facts.parameters)
    inquiry.report_failures(report)
    return capacity_of(types, facts.parameters), quotas


async def _others(stacks: AccountStacks, pool: Pool) -> dict[str, int]:
    """Return the other pools' desired counts."""
    return {name: other.desired for name, other in (await read_services(stacks)).items() if name != pool.name}


async def _service(stacks: AccountStacks, pool: Pool) -> PoolService:
    service = (await read_services(stacks)).get(pool.name)
    if service is None:
        raise NoFleet(f"pool {pool.name}", "its ECS service is gone", f"Restore it with: {command('fleet up')}")
    return service


async def _check_image(stacks: AccountStacks, pool: Pool, service: PoolService) -> None:
    image = await image_of(stacks, service)
    if not image:
        remedy = f"Deploy one with: {command('fleet build, publish, deploy')}"
        raise InvalidInput(f"pool {pool.name}", "no image was deployed for it", remedy)
    if not await is_published(stacks, pool, image):
        remedy = f"Publish it again, or deploy another: {command('fleet publish, deploy')}"
        raise InvalidInput(f"pool {pool.name}", f"its image {image} is not in the registry any more", remedy)


async def _wait_for_count(stacks: AccountStacks, pool: Pool, count: int, earlier: set[str], report: Report) -> None:
    """Wait for a count and report progress. Raises ``ServiceError`` on a permanent problem or after a timeout."""
    reported, nearest = -1, math.inf
    diagnosis = PeriodicDiagnosis(stacks, report, soon=True)
    deadline = trio.current_time() + PATIENCE_SECONDS
    while True:
        service = (await read_services(stacks)).get(pool.name)
        if service is None:
            raise ServiceError(f"pool {pool.name}: its ECS service disappeared during the wait")
            # An answer that still shows the old desired count tells nothing.
        if service.desired == count and service.settled:
            return
        if abs(service.running - count) < nearest:
            nearest, deadline = abs(service.running - count), trio.current_time() + PATIENCE_SECONDS
        if service.running != reported:
            reported = service.running
            report(f"pool {pool.name}: {reported} running, {service.pending} pending, {count} wanted")
        if diagnosis.due():
            finding = await diagnosis.diagnose([replace(service, desired=count)], earlier)
            if finding and finding.permanent:
                raise ServiceError(f"{finding.text}. ECS keeps trying; stop it with: {command('fleet scale 0')}")
        if trio.current_time() >= deadline:
            why = f": {diagnosis.reason}" if diagnosis.reason else ""
            raise ServiceError(
                f"pool {pool.name}: {service.running} of {count} workers run, and the count has not come nearer for "
                f"{PATIENCE_SECONDS / 60:.0f} minutes{why}. ECS continues; see: {command('fleet status')}"
            )
        await pause()
