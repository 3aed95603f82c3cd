"""Compute: plans and changes of the stack that runs the workers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cloudkon.aws.stack import Stack
from cloudkon.aws.stack_facts import StackPlan
from cloudkon.errors import ServiceError

from ...target import Report
from .account_stacks import AccountStacks
from .compute_parameters import PARAMETERS

TEMPLATE: Final = Path(__file__).parents[2] / "templates" / "compute.yaml"
"""Images, roles, logs, machines, cluster, services, scaling, alarms."""


async def plan_compute(
    stacks: AccountStacks, compute: Stack, given: Mapping[str, str], *, creating: bool = False
) -> StackPlan:
    """Work out what the stack needs; what is not ``given`` stays as it is.

    ``creating`` has the services begin with no ECS tasks; in an update the same words would set their counts to none.
    """
    said = {
        "Fleet": stacks.fleet,
        "BucketName": stacks.settings.store_bucket,
        **given,
        "Creating": "true" if creating else "false",
    }
    template = TEMPLATE.read_text(encoding="utf-8")
    return await compute.plan(template, said, keep=PARAMETERS - said.keys(), tags=stacks.tags)


async def change(stack: Stack, plan: StackPlan, report: Report) -> None:
    """Carry a plan out. What a failed creation left is cleaned away, so that the next one begins with nothing.

    Raises ``ServiceError`` that names what failed and says how things stand.
    """
    for line in _describe(plan):
        report(f"{stack.name}: {line}")
    try:
        await stack.execute(plan, report)
    except ServiceError as error:
        state = await stack.state()
        if state == "ROLLBACK_COMPLETE":
            report(f"{stack.name}: what was made before it failed has been taken away again")
            await stack.delete()
            raise ServiceError(f"{error}. Nothing of this stack is left; mend it, and run this again") from error
        if state == "UPDATE_ROLLBACK_COMPLETE":
            raise ServiceError(f"{error}. All in this stack is again as it was before") from error
        raise


async def finish_creation(stacks: AccountStacks, report: Report) -> None:
    """Follow a creation by the update that lets go of the services' counts; nothing where that was done.

    A failed update goes back to what the last good one said: were that the creation, all workers would stop. So
    whatever changes the stack does this first.
    """
    compute = stacks.compute()
    if (await compute.state()).endswith("_IN_PROGRESS"):
        report(f"{compute.name}: waiting for a change that is under way")
    if (await compute.settled()).parameters.get("Creating") == "true":
        await change(compute, await plan_compute(stacks, compute, {}), report)


def _describe(plan: StackPlan) -> Sequence[str]:
    """What a plan would do, a line a resource; of a stack that is to be made only how many."""
    if plan.creates:
        return [f"will add {len(plan.changes)} resources"]
    return [f"will {change}" for change in plan.changes]
