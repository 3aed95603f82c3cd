"""Executes both real templates on the double, without the fleet's tool, for tests of the double itself."""

from pathlib import Path
from typing import Final

import fleet
from cloudkon.aws.stack_template import read_template, without_comments
from tests.fleet.double.account import Account
from tests.fleet.double.clients import client
from tests.fleet.double.ec2 import SUBNETS, VPC
from tests.fleet.double.stack import Stack
from tests.fleet.double.template import Template

TEMPLATES: Final = Path(fleet.__file__).parent / "templates"
NAME: Final = "some"
TAG: Final = "cloudkon:fleet"
SETTLE_SECONDS: Final = 4000.0
"""Seconds after which a stack no longer changes, whatever happens."""


def create_fleet(account: Account, **parameters: str) -> Stack:
    """Create both stacks and push the workers' image; return the compute stack. The desired count is 0."""
    data = {"Fleet": NAME, "BucketName": f"{NAME}-store", "VisibilitySeconds": "65"}
    change(account, f"{NAME}-data", template("data"), data)
    return change(account, f"{NAME}-compute", template("compute"), compute_parameters(**parameters))


def compute_parameters(**given: str) -> dict[str, str]:
    """Return the compute template's required parameters and the ``given`` ones."""
    needed = {"Fleet": NAME, "BucketName": f"{NAME}-store", "VpcId": VPC, "SubnetIds": ",".join(SUBNETS)}
    return needed | {"Creating": "true"} | given


def publish(account: Account, pool: str = "worker", tag: str = "one") -> str:
    """Push an image for a pool and return its name."""
    image = f"{account.ecr.host}/{NAME}/{pool}:{tag}"
    account.ecr.push(image)
    return image


def template(name: str) -> str:
    """Return the text of one of the fleet's templates."""
    return read_template(TEMPLATES / f"{name}.yaml")


def change(account: Account, name: str, body: str, parameters: dict[str, str]) -> Stack:
    """Execute a change set, let ``SETTLE_SECONDS`` pass, and return the stack."""
    known = account.cloudformation.stacks.get(name)
    creates = known is None or known.status in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")
    cloudformation = client("cloudformation")
    cloudformation.create_change_set(
        StackName=name,
        ChangeSetName="change",
        ChangeSetType="CREATE" if creates else "UPDATE",
        TemplateBody=without_comments(body),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": TAG, "Value": NAME}],
    )
    account.pass_time(5)
    cloudformation.execute_change_set(StackName=name, ChangeSetName="change")
    account.pass_time(SETTLE_SECONDS)
    return account.cloudformation.stacks[name]


def delete(account: Account, name: str) -> Stack:
    """Delete a stack, let ``SETTLE_SECONDS`` pass, and return it."""
    client("cloudformation").delete_stack(StackName=name)
    account.pass_time(SETTLE_SECONDS)
    return account.cloudformation.stacks[name]


def failures(stack: Stack) -> dict[str, str]:
    """Return the reasons of failed events by logical id."""
    return {
        event["LogicalResourceId"]: event.get("ResourceStatusReason", "")
        for event in stack.events
        if event["ResourceStatus"].endswith("_FAILED")
    }


RESOURCES: Final = [
    (stack, name)
    for stack, file in ((f"{NAME}-data", "data"), (f"{NAME}-compute", "compute"))
    for name, one in Template(template(file)).resources.items()
    if "Condition" not in one
]
"""All resources of a fleet without autoscaling, by stack and logical id."""
