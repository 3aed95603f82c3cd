"""Plans and executes changes of the stack that runs the workers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from cloudkon.aws.stack import Stack
from cloudkon.aws.stack_facts import StackPlan
from cloudkon.aws.stack_template import read_template
from cloudkon.errors import ServiceError
from cloudkon.programs import command

from ...target import Report
from .account_stacks import AccountStacks
from .compute_parameters import PARAMETERS

TEMPLATE: Final = Path(__file__).parents[2] / "templates" / "compute.yaml"
"""Images, roles, logs, instances, cluster, services, scaling, alarms."""
SERVICE: Final = "AWS::ECS::Service"
"""The type of resource whose change CloudFormation follows until all ECS tasks are replaced."""


async def plan_compute(
    stacks: AccountStacks,
    compute: Stack,
    given: Mapping[str, str],
    *,
    creating: bool = False,
    tags: Mapping[str, str] | None = None,
) -> StackPlan:
    """Plan the stack's change. Parameters that are not ``given`` stay as they are, and so do the user's tags.

    ``creating`` starts the services with no ECS tasks. In an update, the same parameter would set their counts to 0.
    """
    parameters = {
        "Fleet": stacks.fleet,
        "BucketName": stacks.settings.store_bucket,
        **given,
        "Creating": "true" if creating else "false",
    }
    try:
        return await compute.plan(
            read_template(TEMPLATE),
            parameters,
            keep=PARAMETERS - parameters.keys(),
            tags={**(tags or {}), **stacks.tags},
        )
    except ServiceError as error:
        raise with_remedy(error) from error


class Watch(Protocol):
    """Watches what CloudFormation waits for during an update of the stack."""

    @property
    def hopeless(self) -> str:
        """Why it cancelled the update; empty if it did not."""
        ...

    async def check(self) -> None:
        """Is called at each poll. Raises ``ServiceError`` to end the wait."""
        ...


async def change(stack: Stack, plan: StackPlan, report: Report, watch: Watch | None = None) -> None:
    """Execute a plan. The remains of a failed creation are deleted, so that the next one starts from scratch.

    Raises ``ServiceError`` that names the failed resource and the stack's state, or why ``watch`` cancelled it.
    """
    for line in _describe(plan):
        report(f"{stack.name}: {line}")
    if watch and any(one.kind == SERVICE for one in plan.changes):
        report(
            f"{stack.name}: rolling out (Ctrl-C stops only the waiting: CloudFormation finishes it or rolls it back)"
        )
    else:
        watch = None
    try:
        await stack.execute(plan, report, watch.check if watch else None)
    except ServiceError as error:
        state, explained = await stack.state(), with_remedy(error)
        if state == "UPDATE_ROLLBACK_COMPLETE" and watch and watch.hopeless:
            raise ServiceError(f"{watch.hopeless}. So the update was cancelled, and the stack rolled back") from error
        if state == "ROLLBACK_COMPLETE":
            report(f"{stack.name}: the failed creation was rolled back")
            await stack.delete()
            raise ServiceError(
                f"{explained}. Nothing of this stack is left. Fix the cause and run this again"
            ) from error
        if state == "UPDATE_ROLLBACK_COMPLETE":
            raise ServiceError(f"{explained}. The stack was rolled back to its previous state") from error
        if explained is error:
            raise
        raise explained from error


async def finish_creation(stacks: AccountStacks, report: Report, watch: Watch | None = None) -> None:
    """Follow a creation by the update that stops managing the services' counts. Do nothing if that was done.

    A failed update rolls back to the last successful one. If that were the creation, all workers would stop. So every
    change of the stack calls this first. A change in progress is waited for, with ``watch`` for what that waits for.
    """
    compute = stacks.compute()
    if (await compute.state()).endswith("_IN_PROGRESS"):
        report(f"{compute.name}: waiting for a change in progress")
    if (await compute.wait_until_stable(watch.check if watch else None)).parameters.get("Creating") == "true":
        await change(compute, await plan_compute(stacks, compute, {}), report)


def with_remedy(error: ServiceError) -> ServiceError:
    """Return the error with a remedy, if an organization's rule about tags or roles is the cause."""
    text = str(error).lower()
    if "tag polic" in text:
        remedy = f"Give a value that your organization's tag policy allows: {command('fleet up --tags KEY=VALUE')}"
    elif "explicit deny" in text and "iam:createinstanceprofile" in text:
        remedy = (
            "CloudFormation can't tag an instance profile as it creates it: "
            "ask your organization to exempt iam:CreateInstanceProfile from its rule about tags"
        )
    elif "explicit deny" in text:
        remedy = (
            "If your organization demands tags or a permissions boundary, give them: "
            f"{command('fleet up --tags KEY=VALUE --permissions-boundary ARN')}"
        )
    else:
        return error
    return error.extended(remedy)


def _describe(plan: StackPlan) -> Sequence[str]:
    """Return what a plan would do, one line a resource; for a new stack only the count."""
    if plan.creates:
        return [f"will add {len(plan.changes)} resources"]
    return [f"will {change}" for change in plan.changes]
