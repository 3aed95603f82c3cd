"""Scaling: a pool's count set by hand, and its scaling by backlog."""

import math
from dataclasses import replace
from typing import Final

import trio

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.waker import SCALABLE, find_scaling, resource_id
from cloudkon.errors import InvalidInput, NoFleet, ServiceError
from cloudkon.model import Pool

from ..target import Report
from ..target_options import AutoscaleRange
from .diagnosis import diagnose, gather
from .resources.account_stacks import AccountStacks, pause
from .resources.compute_stack import change, finish_creation, plan_compute
from .resources.ecr import is_published
from .resources.ecs_service import PoolService, ecs_tasks, image_of, read_services, set_desired_count
from .resources.instance_types import find_capacity
from .resources.names import parameter

PATIENCE_SECONDS: Final = 1200.0
"""How long a count may take to be reached: instances boot in three minutes, capacity may be short for longer."""
DIAGNOSIS_SECONDS: Final = 20.0
"""Between two diagnoses while waiting: each asks half a dozen things."""


async def suspend(control: ControlPlane, fleet: str, pool: str, *, suspended: bool) -> bool:
    """Have a pool's count left alone by its own scaling, or not any more; say whether that changed anything."""
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
    """Set a pool's count by hand, and wait until it runs. Interrupted, the fleet goes on towards it.

    Raises ``InvalidInput`` before anything is changed for a count that can never run or a pool without an image.
    """
    facts = await stacks.compute_facts()
    if facts.parameters.get("Creating") == "true":
        await finish_creation(stacks, report)
    service = await _service(stacks, pool)
    if count:
        (await find_capacity(stacks.control, facts)).check(pool.name, count, await _others(stacks, pool))
        await _check_image(stacks, pool, service)
    if await suspend(stacks.control, stacks.fleet, pool.name, suspended=True):
        report(f"pool {pool.name}: autoscaling is suspended; resume it with: python -m fleet autoscale")
    # What failed before is over. By name and not by time: this machine's clock is not AWS's.
    over = {task.arn for task in await ecs_tasks(stacks, pool.name, "STOPPED")} if count else set()
    await set_desired_count(stacks, pool.name, count)
    report(f"pool {pool.name}: {count} wanted (Ctrl-C ends only the waiting)")
    await _reached(stacks, pool, count, over, report)


async def autoscale(stacks: AccountStacks, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
    """Have a pool follow its backlog within a range, or within the one it has; resumes what ``scale`` suspended.

    Raises ``InvalidInput`` for a range that can't be, or whose most can never run, and for a pool without an image.
    """
    facts = await stacks.compute_facts()
    await finish_creation(stacks, report)
    if wanted is None:
        if not await find_scaling(stacks.control, stacks.fleet, pool.name):
            raise InvalidInput(f"pool {pool.name}", "it has no range yet", "Give --max, and --min and --per-worker")
    else:
        wanted.check()
        capacity = await find_capacity(stacks.control, facts)
        capacity.check(pool.name, wanted.most, {})
        # The most may have to share the instances with the other pool's; the least is there all the time.
        capacity.check(pool.name, wanted.least, await _others(stacks, pool))
    if wanted is None or wanted.most:
        # Or its first message would start instances, which cost money, for workers that can't come up.
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
    """Set a count that lies outside of the range to its nearer end.

    Application Auto Scaling does so only at its next step that way (ECS guide, Automatically scale your Amazon ECS
    service): a pool at zero would not get its least before work comes, and one above its most keep all under load.
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
        report(f"pool {pool.name}: {count} wanted, which were {desired}")


async def _others(stacks: AccountStacks, pool: Pool) -> dict[str, int]:
    """The counts that other pools want."""
    return {name: other.desired for name, other in (await read_services(stacks)).items() if name != pool.name}


async def _service(stacks: AccountStacks, pool: Pool) -> PoolService:
    service = (await read_services(stacks)).get(pool.name)
    if service is None:
        raise NoFleet(f"pool {pool.name}", "its ECS service is gone", "Mend it with: python -m fleet up")
    return service


async def _check_image(stacks: AccountStacks, pool: Pool, service: PoolService) -> None:
    image = await image_of(stacks, service)
    if not image:
        remedy = "Make one with: python -m fleet build, publish, deploy"
        raise InvalidInput(f"pool {pool.name}", "no image was ever deployed for it", remedy)
    if not await is_published(stacks, pool, image):
        remedy = "Publish it again, or deploy another: python -m fleet publish, deploy"
        raise InvalidInput(f"pool {pool.name}", f"its image {image} is not in the registry any more", remedy)


async def _reached(stacks: AccountStacks, pool: Pool, count: int, over: set[str], report: Report) -> None:
    """Wait for a count, saying what it waits for. Raises ``ServiceError`` where that is hopeless or takes too long."""
    said, told, nearest = "", -1, math.inf
    next_diagnosis = trio.current_time() + DIAGNOSIS_SECONDS / 2
    deadline = trio.current_time() + PATIENCE_SECONDS
    while True:
        service = (await read_services(stacks)).get(pool.name)
        if service is None:
            raise ServiceError(f"pool {pool.name}: its ECS service went away while it was waited for")
        # An answer from before the change is no answer to it.
        if service.desired == count and service.settled:
            return
        if abs(service.running - count) < nearest:
            nearest, deadline = abs(service.running - count), trio.current_time() + PATIENCE_SECONDS
        if service.running != told:
            told = service.running
            report(f"pool {pool.name}: {told} running, {service.pending} pending, {count} wanted")
        if trio.current_time() >= next_diagnosis:
            next_diagnosis = trio.current_time() + DIAGNOSIS_SECONDS
            findings = diagnose(await gather(stacks, replace(service, desired=count), over))
            if findings and findings[0].text != said:
                said = findings[0].text
                report(said)
            if findings and findings[0].permanent:
                raise ServiceError(f"{said}. ECS goes on trying; stop that with: python -m fleet scale 0")
        if trio.current_time() >= deadline:
            raise ServiceError(
                f"pool {pool.name}: {service.running} workers run, {count} are wanted, and it has come no nearer for "
                f"{PATIENCE_SECONDS / 60:.0f} minutes{': ' + said if said else ''}. ECS goes on towards it; "
                "see: python -m fleet status"
            )
        await pause()
