"""Options that stay with a fleet: tags, a boundary, warm throughput, protection of the data. And their end."""

import pytest
import trio.testing

from cloudkon.errors import InvalidInput, ServiceError
from fleet.aws.target import AwsTarget
from fleet.target_options import Sizing
from tests.fleet.double.account import Account, Call
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.clients import client
from tests.fleet.double.real_templates import NAME
from tests.fleet.fleet_steps import IGNORE_REPORT, left

BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


async def test_tags_and_boundary_reach_everything_and_stay(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(tags={"team": "render", "stage": "test"}, permissions_boundary=BOUNDARY))
    await target.up(IGNORE_REPORT, Sizing(max_instances=7, tags={"stage": ""}))
    for stack in (f"{NAME}-data", f"{NAME}-compute"):
        assert account.cloudformation.stacks[stack].tags == {"cloudkon:fleet": NAME, "team": "render"}
    compute = account.cloudformation.stacks[f"{NAME}-compute"].resources
    roles = [one for one in compute.values() if one.kind == "AWS::IAM::Role"]
    assert [one.properties["PermissionsBoundary"] for one in roles] == [BOUNDARY] * 4
    launch = compute["LaunchTemplate"].properties
    tags = [{"Key": "cloudkon:fleet", "Value": NAME}, {"Key": "team", "Value": "render"}]
    assert launch["TagSpecifications"] == [{"ResourceType": "launch-template", "Tags": tags}]
    assert launch["LaunchTemplateData"]["TagSpecifications"] == [{"ResourceType": "volume", "Tags": tags}]


async def test_tag_that_a_policy_of_the_organization_refuses_is_named_with_the_remedy(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.cloudformation.failures["CREATE", "WorkerRepository"] = (
        "The tag policy does not allow the specified value for the following tag key: 'team'."
    )
    with pytest.raises(ServiceError, match=r"tag key: 'team'.*python -m fleet up --tags KEY=VALUE") as raised:
        await target.up(IGNORE_REPORT, Sizing(tags={"team": "nobody"}))
    assert "\n" not in str(raised.value)
    account.cloudformation.failures.clear()
    await target.up(IGNORE_REPORT, Sizing(tags={"team": "render"}))
    assert account.cloudformation.stacks[f"{NAME}-compute"].tags["team"] == "render"


async def test_tags_with_which_the_template_is_too_long_change_nothing(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    many = Sizing(tags={f"key{number}": "v" * 200 for number in range(9)})
    with pytest.raises(InvalidInput, match=r"^9 tags: with them the template has .* Give fewer or shorter ones$"):
        await target.up(IGNORE_REPORT, many)
    assert not account.cloudformation.stacks


async def test_tags_that_do_not_go_with_earlier_ones_change_nothing(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(tags={f"k{number}": "x" for number in range(20)}))
    before = {name: dict(stack.tags) for name, stack in account.cloudformation.stacks.items()}
    with pytest.raises(InvalidInput, match=r"27 tags: the fleet has 20 others.*so that 46 are left: --tags KEY=$"):
        await target.up(IGNORE_REPORT, Sizing(tags={f"z{number}": "x" for number in range(27)}))
    with pytest.raises(
        InvalidInput, match=r"--tags K1: a role can't also have the key k1.*remove that one: --tags k1=$"
    ):
        await target.up(IGNORE_REPORT, Sizing(tags={"K1": "x"}))
    assert {name: dict(stack.tags) for name, stack in account.cloudformation.stacks.items()} == before
    await target.up(IGNORE_REPORT, Sizing(tags={"k1": ""}))
    await target.up(IGNORE_REPORT, Sizing(tags={"K1": "x"}))
    assert account.cloudformation.stacks[f"{NAME}-compute"].tags["K1"] == "x"


@pytest.mark.parametrize("stack", ["data", "compute"])
async def test_stack_whose_tags_a_policy_refuses_is_named_with_the_remedy(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock, stack: str
) -> None:
    def refuse(_number: int, call: Call) -> None:
        if call.operation == "CreateChangeSet" and call.request["StackName"] == f"{NAME}-{stack}":
            raise ApiError("TagPolicyViolation", "The tag policy does not allow the specified value for: 'team'.")

    account.before = refuse
    with pytest.raises(ServiceError, match=r"for: 'team'\. Give a value .*python -m fleet up --tags KEY=V") as raised:
        await target.up(IGNORE_REPORT, Sizing(tags={"team": "nobody"}))
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 1
    account.before = lambda _number, _call: None
    await target.up(IGNORE_REPORT, Sizing(tags={"team": "render"}))
    assert account.cloudformation.stacks[f"{NAME}-compute"].tags["team"] == "render"


async def test_data_options_are_priced_kept_and_not_lowered(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    sizing = Sizing(warm_throughput=24_000, versioning=True, point_in_time_recovery=True, termination_protection=True)
    await target.preview(reports.append, sizing)
    assert any(line.startswith("warm throughput of 24000 writes a second: about $13.00 once") for line in reports)
    assert any(line.startswith("versioning: old versions stay for 30 days") for line in reports)
    await target.up(reports.append, sizing)
    assert f"{NAME}-data: turned termination protection on" in reports
    await target.up(IGNORE_REPORT, Sizing(max_instances=5))
    resources = account.cloudformation.stacks[f"{NAME}-data"].resources
    assert resources["Ledger"].properties["WarmThroughput"] == {"WriteUnitsPerSecond": "24000"}
    assert resources["Store"].properties["VersioningConfiguration"] == {"Status": "Enabled"}
    before = len(account.cloudformation.stacks[f"{NAME}-data"].events)
    with pytest.raises(InvalidInput, match="DynamoDB can't lower it"):
        await target.up(IGNORE_REPORT, Sizing(warm_throughput=8_000))
    assert len(account.cloudformation.stacks[f"{NAME}-data"].events) == before
    # Who runs it again with the same options pays nothing more.
    reports.clear()
    assert await target.preview(reports.append, sizing) == ()
    assert not any("once" in line for line in reports)


async def test_protected_stack_survives_others_and_is_deleted_with_its_data(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(termination_protection=True, versioning=True))
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="TerminationProtection is enabled"):
        client("cloudformation").delete_stack(StackName=f"{NAME}-data")
    await target.down(IGNORE_REPORT, delete_data=False)
    assert account.cloudformation.stacks[f"{NAME}-data"].protected
    (bucket,) = account.s3.buckets.names()
    account.s3.buckets.get(bucket).update({"results/1", "results/2"})
    account.s3.old_versions[bucket] = {(f"results/{number}", "old") for number in range(2500)}
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []
    assert account.s3.old_versions[bucket] == set()
