"""Stands behind CloudFormation: judges what it does for each resource by the verb's policies and an organization's.

``judge_step`` is the account's hook. A refusal fails the resource's step, as on AWS, so that the verb must handle it.
It judges by the account's readings of AWS's documents (``tests/fleet/double/readings.py``).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.fleet.double.account import Account
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.readings import (
    ANY_UNTAGGED_CREATION_DENIED,
    CREATION_WITH_RESOURCE,
    CREATION_WITHOUT_RESOURCE,
    TAGS_SEEN_LATE,
    UNTAGGED_CREATION_DENIED,
)
from tests.fleet.double.resource import Resource
from tests.fleet.iam_gate.gate import running_policies
from tests.fleet.iam_gate.handler_requests import VIA, handler_requests
from tests.fleet.iam_gate.judge import BOTH, ON_ANY, ON_ARN, Request, refusals
from tests.fleet.iam_gate.registry import taggable

DEMANDED: Final = "cost-center"
"""The tag that the organization demands under ``UNTAGGED_CREATION_DENIED``."""
OWN_TAGS: Final = {"AWS::EC2::LaunchTemplate": "launch-template"}
"""Types that CloudFormation does not tag, and that tag what they create by their ``TagSpecifications``."""
UNTAGGABLE: Final = {"AWS::IAM::InstanceProfile": "iam:CreateInstanceProfile"}
"""Types that CloudFormation can't tag though the service could, with the action that an organization may deny.

The other types without tags are parts of another resource, and are created by no action that knows a tag.
"""


def judge_step(resource: Resource, step: str) -> None:
    """Raise IAM's refusal of a step of a stack's resource, if a verb runs."""
    running = running_policies(resource.account)
    if running is None:
        return
    if step == "request":
        _check_demanded_tag(resource)
        return
    _, statements, place = running
    for request in handler_requests(resource, step, place):
        for refused in refusals(statements, _as_read(resource.account, request), _judged_on(resource.account)):
            raise ApiError(
                "AccessDenied",
                f"User: {resource.account.iam_arn('user/engineer')} is not authorized to perform: {refused} because no "
                "identity-based policy allows the action",
                403,
            )


def _as_read(account: Account, request: Request) -> Request:
    """Return the request as IAM judges it: without tags that it does not see yet."""
    if TAGS_SEEN_LATE not in account.readings:
        return request
    targets = tuple(one if account.tags.seen(one.arn) else replace(one, tags={}) for one in request.targets)
    return replace(request, targets=targets, context={**request.context, **VIA})


def _judged_on(account: Account) -> frozenset[str]:
    """Return what the actions are judged on of which documents disagree whether they have a resource."""
    chosen = {
        form
        for reading, form in ((CREATION_WITHOUT_RESOURCE, ON_ANY), (CREATION_WITH_RESOURCE, ON_ARN))
        if reading in account.readings
    }
    return frozenset(chosen) or BOTH


def _check_demanded_tag(resource: Resource) -> None:
    """Deny a creation whose request lacks the organization's tag."""
    readings = resource.account.readings
    if not {UNTAGGED_CREATION_DENIED, ANY_UNTAGGED_CREATION_DENIED} & readings:
        return
    denied = [action for action, keys in _tagged_requests(resource) if DEMANDED not in keys]
    if ANY_UNTAGGED_CREATION_DENIED in readings and resource.kind in UNTAGGABLE:
        denied.append(UNTAGGABLE[resource.kind])
    for action in denied:
        raise ApiError(
            "AccessDenied",
            f"User: {resource.account.iam_arn('user/engineer')} is not authorized to perform: {action} with an "
            "explicit deny in a service control policy",
            403,
        )


def _tagged_requests(resource: Resource) -> Iterator[tuple[str, set[str]]]:
    """Yield what a resource's creation is called, with the keys of the tags in its request."""
    name = f"the creation of {resource.kind}"
    if resource.kind in OWN_TAGS:
        yield name, _specified(resource.properties, OWN_TAGS[resource.kind])
        yield "ec2:RunInstances for a volume", _specified(resource.properties["LaunchTemplateData"], "volume")
    elif taggable(resource.kind):
        yield name, {str(one["Key"]) for one in resource.tag_list}


def _specified(properties: dict[str, object], kind: str) -> set[str]:
    found = properties["TagSpecifications"]
    assert isinstance(found, list)
    return {str(tag["Key"]) for one in found if one["ResourceType"] == kind for tag in one["Tags"]}
