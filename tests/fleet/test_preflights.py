"""What ``up`` finds out about an account before it changes anything: each finding, its remedy, and what it leaves."""

import json
from collections.abc import Callable

import pytest
import trio
import trio.testing

import cloudkon.aws.partition
from cloudkon.errors import InvalidInput
from fleet.aws.target import AwsTarget
from fleet.target_options import Sizing
from tests.fleet.double.account import Account, Call
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.ec2 import SUBNETS, VPC
from tests.fleet.fleet_steps import IGNORE_REPORT, left, worker_service

REFUSED_CALLS = (
    *("DescribeVpcBlockPublicAccessOptions", "GetAccountPlanState", "GetEbsDefaultKmsKeyId", "GetServiceQuota"),
    *("GetTopicAttributes", "ListAccountSettings"),
)


def deny(call: Call) -> None:
    raise ApiError("AccessDeniedException", f"not authorized to perform {call.operation}", 400)


def nothing_is_changed(account: Account) -> bool:
    return account.cloudformation.stacks == {} and account.iam.linked == set() and left(account) == []


async def refused(account: Account, target: AwsTarget, words: str, sizing: Sizing) -> None:
    """Expect the same refusal from ``up`` and from its preview, and that nothing was changed."""
    with pytest.raises(InvalidInput, match=words):
        await target.up(IGNORE_REPORT, sizing)
    assert nothing_is_changed(account)
    with pytest.raises(InvalidInput, match=words):
        await target.preview(IGNORE_REPORT, sizing)
    assert left(account) == []


def on_free_plan(account: Account) -> None:
    account.freetier.plan = "FREE"


def opted_out(account: Account) -> None:
    account.ecs.long_arns["taskLongArnFormat"] = "disabled"


def user_opted_out(account: Account) -> None:
    account.ecs.long_arns["serviceLongArnFormat"] = "disabled"
    account.ecs.chooser = account.iam_arn("user/engineer")


def blocked_both_ways(account: Account) -> None:
    account.ec2.public_access_mode = "block-bidirectional"


def blocked_ingress(account: Account) -> None:
    account.ec2.public_access_mode = "block-ingress"


def blocked_nat(account: Account) -> None:
    account.ec2.gateway = "nat-0aaaaaaaaaaaaaaaa"
    account.ec2.public_access_mode = "block-bidirectional"


@pytest.mark.parametrize(
    ("condition", "sizing", "words"),
    [
        (
            on_free_plan,
            Sizing(),
            r"on which c7i.large can't start. Give --instance-types of m7i-flex.large, c7i-flex.large, t3.small; or",
        ),
        (
            on_free_plan,
            Sizing(architecture="arm64"),
            r"on which c7g.large can't start. Give --instance-types of t4g.small;",
        ),
        (on_free_plan, Sizing(instance_types=("c7i-flex.large", "c6i.large")), r"on which c6i.large can't start"),
        (
            opted_out,
            Sizing(),
            r"aws ecs put-account-setting-default --region us-east-1 --name taskLongArnFormat --value enabled$",
        ),
        (
            user_opted_out,
            Sizing(),
            r"aws ecs put-account-setting --region us-east-1 --name serviceLongArnFormat .*--principal-arn .*engineer$",
        ),
        (
            blocked_both_ways,
            Sizing(),
            r"VPC Block Public Access \(block-bidirectional\) blocks igw-.*--vpc and --subnets",
        ),
        (blocked_ingress, Sizing(), r"VPC Block Public Access \(block-ingress\) blocks igw-"),
        (blocked_nat, Sizing(), r"VPC Block Public Access \(block-bidirectional\) blocks nat-"),
    ],
)
async def test_account_that_can_not_run_a_fleet_is_refused_before_any_change(
    account: Account,
    target: AwsTarget,
    condition: Callable[[Account], None],
    sizing: Sizing,
    words: str,
    autojump_clock: trio.testing.MockClock,
) -> None:
    condition(account)
    await refused(account, target, words, sizing)


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("arn:aws:sns:us-east-1:111122223333:plain", ""),
        ("arn:aws:sns:us-east-1:111122223333:own-key", ""),
        ("arn:aws:sns:us-east-1:444455556666:of-others", ""),
        ("arn:aws:sns:us-east-1:111122223333:aws-key", r"alias/aws/sns, which CloudWatch may not use.*kms:Decrypt"),
        ("arn:aws:sns:us-east-1:111122223333:none", r"there is no such topic. Create it first"),
        ("arn:aws:sns:eu-west-1:111122223333:plain", r"it is in eu-west-1, the fleet in us-east-1"),
    ],
    ids=lambda value: value.rpartition(":")[2] if value.startswith("arn:") else "",
)
async def test_alarm_topic_that_gets_no_message_is_refused(
    account: Account, target: AwsTarget, topic: str, words: str, autojump_clock: trio.testing.MockClock
) -> None:
    account.sns.topic("plain")
    account.sns.topic("own-key", "arn:aws:kms:us-east-1:111122223333:key/1")
    account.sns.topic("aws-key", "alias/aws/sns")
    if words:
        await refused(account, target, words, Sizing(alarm_topic=topic))
    else:
        assert await target.preview(IGNORE_REPORT, Sizing(alarm_topic=topic))


async def test_free_plan_starts_its_own_types(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    on_free_plan(account)
    await target.up(reports.append, Sizing(instance_types=("c7i-flex.large", "m7i-flex.large")))
    assert any(line.startswith("at most 4 instances at a time, $") for line in reports)


@pytest.mark.parametrize("excluded", [VPC, SUBNETS[0]])
async def test_exclusion_from_block_public_access_makes_a_subnet_usable(
    account: Account, target: AwsTarget, excluded: str, autojump_clock: trio.testing.MockClock
) -> None:
    blocked_both_ways(account)
    account.ec2.excluded = [excluded]
    await target.up(IGNORE_REPORT)
    assert worker_service(account).status == "ACTIVE"


async def test_nat_gateway_is_a_way_out_of_an_ingress_block(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    blocked_nat(account)
    blocked_ingress(account)
    await target.preview(reports.append)
    assert any("reaches AWS by nat-" in line for line in reports)


async def test_customers_default_key_is_a_warning_with_the_policys_statements(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.ec2.default_key = "arn:aws:kms:us-east-1:111122223333:key/mine"
    await target.preview(reports.append)
    (number,) = [index for index, line in enumerate(reports) if line.startswith("warning: this account encrypts")]
    use, attach = json.loads(reports[number + 1])
    role = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    assert use["Principal"] == attach["Principal"] == {"AWS": f"arn:aws:iam::111122223333:{role}"}
    assert "kms:GenerateDataKey*" in use["Action"]
    assert attach["Action"] == "kms:CreateGrant"


async def test_denied_calls_refuse_nothing_and_cost_one_line(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.before = lambda _, call: deny(call) if call.operation in REFUSED_CALLS else None
    topic = account.sns.topic("alarms")
    await target.up(reports.append, Sizing(alarm_topic=topic))
    (line,) = [line for line in reports if line.startswith("not checked")]
    assert all(f"{operation} (AccessDeniedException)" in line for operation in REFUSED_CALLS)
    assert worker_service(account).status == "ACTIVE"


async def test_endpoint_without_an_answer_is_given_up_soon(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    def unreachable(_: int, call: Call) -> None:
        if call.operation == "GetAccountPlanState":
            raise ApiError("ServiceUnavailable", "no answer", 503)

    account.before = unreachable
    started = trio.current_time()
    await target.preview(reports.append)
    assert any("GetAccountPlanState (no answer in 10 s)" in line for line in reports)
    assert trio.current_time() - started < 60


async def test_partition_without_a_service_is_refused(
    account: Account, target: AwsTarget, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    known = cloudkon.aws.partition._services("aws")
    monkeypatch.setattr(cloudkon.aws.partition, "_services", lambda _: known - {"sqs", "application-autoscaling"})
    await refused(account, target, r"^partition aws: it has no application-autoscaling, sqs. Set AWS_REGION", Sizing())
