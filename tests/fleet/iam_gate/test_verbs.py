"""Each verb ends well for a person who has only the policies that are printed for it."""

from collections.abc import Sequence

import pytest
import trio.testing

from cloudkon.model import POOLS, WORKER
from fleet.aws.policies import catalogue
from fleet.aws.target import AwsTarget
from fleet.target import Report
from fleet.target_options import AutoscaleRange, Sizing
from tests.fleet.double.account import Account
from tests.fleet.iam_gate.gate import policies_of
from tests.fleet.iam_gate.handler_requests import handler_requests, late_tag_requests
from tests.fleet.iam_gate.judge import Request, Statement, refusals
from tests.fleet.iam_gate.place import Place
from tests.fleet.iam_gate.registry import STEPS, TAGGING

PUSHING = ("BatchCheckLayerAvailability", "BatchGetImage", "CompleteLayerUpload", "InitiateLayerUpload", "PutImage")
"""The actions of ``docker push`` besides ``UploadLayerPart`` (Amazon ECR User Guide, IAM permissions for pushing)."""
IGNORED: Report = lambda _: None  # noqa: E731  (a report callback that does nothing)


def refused_handlers(account: Account, place: Place, statements: Sequence[Statement], steps: Sequence[str]) -> set[str]:
    """Return what IAM would refuse CloudFormation while it changes the resources of both stacks."""
    return {
        f"{resource.logical}: {refusal}"
        for stack in account.cloudformation.stacks.values()
        for resource in stack.resources.values()
        for step in steps
        for request in handler_requests(resource, step, place)
        for refusal in refusals(statements, request)
    }


async def test_each_verb_ends_well_with_its_policies(
    account: Account, target: AwsTarget, place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    await target.preview(IGNORED, Sizing(spot=50))
    await target.up(IGNORED)
    await target.publish(POOLS, IGNORED)
    await target.deploy(POOLS, "", IGNORED)
    await target.scale(WORKER, 3, IGNORED)
    await target.status()
    await target.logs(None, 10, follow=False, write=lambda _worker, _line: None)
    await target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORED)
    await target.scale(WORKER, 1, IGNORED)
    await target.down(IGNORED, delete_data=False)
    await target.up(IGNORED)
    await target.down(IGNORED, delete_data=True)


async def test_call_without_a_permission_fails_the_test(
    account: Account, target: AwsTarget, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**catalogue.FILES_OF, "up": ("client",)}
    monkeypatch.setattr(catalogue, "FILES_OF", files)
    policies_of.cache_clear()
    with pytest.raises(AssertionError, match=r"the policies of up don't allow \w+\.\w+: "):
        await target.up(IGNORED)
    policies_of.cache_clear()


async def test_cloudformation_may_do_what_its_handlers_do(
    account: Account, target: AwsTarget, place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORED)
    await target.publish((WORKER,), IGNORED)
    await target.deploy((WORKER,), "", IGNORED)
    await target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORED)
    assert refused_handlers(account, place, policies_of("up", place), (*STEPS, TAGGING)) == set()
    delete = policies_of("down", place, delete_data=True)
    assert refused_handlers(account, place, delete, ["delete"]) == set()


async def test_security_group_may_get_its_tags_last(
    account: Account, target: AwsTarget, place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORED)
    group = account.cloudformation.stacks[f"{place.fleet}-compute"].resources["InstanceSecurityGroup"]
    statements = policies_of("up", place)
    assert [text for one in late_tag_requests(group, place) for text in refusals(statements, one)] == []


def test_docker_may_push(place: Place) -> None:
    statements = policies_of("publish", place)
    repository = place.target("ecr", "repository", f"{place.fleet}/worker")
    for action in (*PUSHING, "UploadLayerPart"):
        assert list(refusals(statements, Request(f"ecr:{action}", (repository,)))) == []
