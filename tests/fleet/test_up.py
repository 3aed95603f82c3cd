"""``up`` on AWS: its checks, what it creates, and what it does after a failure."""

import pytest
import trio.testing

from cloudkon.errors import AccessDenied, InvalidInput, ServiceError
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.target_options import Sizing
from tests.fleet.double.account import Account
from tests.fleet.double.clients import ActiveBackend, client
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.real_templates import NAME, RESOURCES
from tests.fleet.fleet_steps import IGNORE_REPORT, left, running, start_workers, the_group, worker_service


async def test_up_creates_everything_and_starts_no_worker(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(reports.append)
    assert any(line.startswith("at most 4 instances at a time, $0.39 an hour (list prices") for line in reports)
    assert reports[-1] == "the workers have no image yet; next: python -m fleet build, publish, deploy"
    assert [one.status for one in account.cloudformation.stacks.values()] == ["CREATE_COMPLETE", "UPDATE_COMPLETE"]
    assert worker_service(account).desired == 0
    assert the_group(account).instances == []
    # Zone rebalancing may exceed --max-instances.
    assert the_group(account).suspended == {"AZRebalance"}
    assert {"ecs.amazonaws.com", "autoscaling.amazonaws.com"} <= account.iam.linked


async def test_repeated_up_changes_nothing_and_keeps_workers(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 3)
    before, events = [task.arn for task in running(account)], _events(account)
    await target.up(IGNORE_REPORT)
    assert [task.arn for task in running(account)] == before
    assert _events(account) == events


async def test_given_size_changes_and_others_stay(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(max_instances=7, spot=60))
    await target.up(reports.append, Sizing(spot=20))
    assert f"{NAME}-compute: will modify Group (AWS::AutoScaling::AutoScalingGroup)" in reports
    group = the_group(account)
    assert group.maximum == 7
    distribution = group.properties["MixedInstancesPolicy"]["InstancesDistribution"]
    assert distribution["OnDemandPercentageAboveBaseCapacity"] == 80


async def test_preview_shows_changes_and_leaves_nothing(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    lines = await target.preview(IGNORE_REPORT)
    assert f"{NAME}-data: add Ledger (AWS::DynamoDB::Table)" in lines
    assert f"{NAME}-compute: add WorkerService (AWS::ECS::Service)" in lines
    assert left(account) == []
    assert not any(one.startswith(f"{NAME}-compute: add WorkerScaling") for one in lines)


@pytest.mark.parametrize(("stack", "resource"), RESOURCES)
async def test_failed_creation_of_any_resource_is_named_cleaned_up_and_repeatable(
    account: Account,
    target: AwsTarget,
    reports: list[str],
    stack: str,
    resource: str,
    autojump_clock: trio.testing.MockClock,
) -> None:
    account.cloudformation.failures["CREATE", resource] = "the double says no"
    with pytest.raises(ServiceError, match=rf"{resource} .*the double says no"):
        await target.up(reports.append)
    account.settle()
    assert account.cloudformation.stacks[stack].status == "DELETE_COMPLETE"
    assert not any(f":stack/{stack}/" in arn for arn in left(account))
    account.cloudformation.failures.clear()
    await target.up(reports.append)
    assert worker_service(account).status == "ACTIVE"


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("Group", "Invalid IAM Instance Profile ARN"),
        ("Cluster", "Unable to assume the service linked role. Please verify that it exists."),
    ],
)
async def test_role_not_yet_known_everywhere_is_tried_again_three_times(
    account: Account, target: AwsTarget, resource: str, words: str, autojump_clock: trio.testing.MockClock
) -> None:
    account.cloudformation.failures["CREATE", resource] = words
    failed: list[str] = []

    def note(line: str) -> None:
        if line.startswith(f"{resource}: create failed"):
            failed.append(line)
            if len(failed) == 3:
                account.cloudformation.failures.clear()

    await target.up(note)
    assert worker_service(account).status == "ACTIVE"


async def test_role_that_never_becomes_known_ends_up_with_its_reason(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.cloudformation.failures["CREATE", "Group"] = "Invalid IAM Instance Profile ARN"
    with pytest.raises(ServiceError, match=r"Invalid IAM Instance Profile ARN.*Nothing of this stack is left"):
        await target.up(reports.append)
    waits = [line for line in reports if line.startswith("an IAM role is not yet known everywhere")]
    assert [line.rpartition(" in ")[2] for line in waits] == ["15 s", "45 s", "120 s"]


@pytest.mark.parametrize(
    ("default", "public", "gateway", "words"),
    [
        (False, True, "igw-1", "no default one"),
        (True, False, "igw-1", "no public address"),
        (True, True, "", "no way out"),
    ],
)
async def test_unusable_network_is_refused_before_any_change(
    account: Account,
    target: AwsTarget,
    default: bool,
    public: bool,
    gateway: str,
    words: str,
    autojump_clock: trio.testing.MockClock,
) -> None:
    account.ec2.default_vpc, account.ec2.public_addresses, account.ec2.gateway = default, public, gateway
    with pytest.raises(InvalidInput, match=words):
        await target.up(IGNORE_REPORT)
    assert account.cloudformation.stacks == {}
    assert account.iam.linked == set()


async def test_up_right_after_down_with_data_waits_for_queue_names(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    await target.down(IGNORE_REPORT, delete_data=True)
    await target.up(reports.append)
    assert any("deleted within the last minute" in line for line in reports)
    assert worker_service(account).status == "ACTIVE"


async def test_foreign_cluster_is_left_alone(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    client("ecs").create_cluster(clusterName=NAME)
    with pytest.raises(InvalidInput, match="an ECS cluster of that name which does not belong to the fleet"):
        await target.up(IGNORE_REPORT)
    assert account.cloudformation.stacks == {}


async def test_private_network_with_nat_is_usable(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.ec2.public_addresses, account.ec2.gateway = False, "nat-0aaaaaaaaaaaaaaaa"
    await target.up(reports.append)
    assert any("by nat-0aaaaaaaaaaaaaaaa" in line for line in reports)


async def test_quota_below_one_instance_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.service_quotas.values["L-1216C47A"] = 1.0
    with pytest.raises(InvalidInput, match="one instance has 2"):
        await target.up(IGNORE_REPORT)
    assert account.cloudformation.stacks == {}


async def test_quota_below_max_instances_is_reported(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.service_quotas.values["L-1216C47A"] = 4.0
    await target.preview(reports.append)
    assert any(
        "On-Demand vCPUs is 4: it allows 2 of the 4 instances that --max-instances allows" in line for line in reports
    )


async def test_quotas_of_other_families_are_not_checked(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.service_quotas.values["L-1216C47A"] = 1.0
    await target.preview(reports.append, Sizing(instance_types=("g5.xlarge",)))
    assert any("quotas don't cover g5.xlarge" in line for line in reports)


async def test_instance_type_of_another_architecture_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(InvalidInput, match="it is not x86_64"):
        await target.up(IGNORE_REPORT, Sizing(instance_types=("c7g.large",)))


@pytest.mark.parametrize(
    "sizing", [Sizing(log_days=31), Sizing(alarm_topic="told"), Sizing(subnets=("subnet-0bad",)), Sizing(vpc="vpc-bad")]
)
async def test_options_that_aws_would_refuse_late_are_refused_before_any_change(
    account: Account, target: AwsTarget, sizing: Sizing, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(InvalidInput):
        await target.up(IGNORE_REPORT, sizing)
    assert account.cloudformation.stacks == {}


async def test_workers_too_large_for_any_instance_are_refused_while_some_run(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(reports.append, Sizing(memory={"animoto": 8000}))
    assert any(line.startswith("warning: pool animoto: one of its ECS tasks") for line in reports)
    await start_workers(account, target, 1)
    with pytest.raises(InvalidInput, match=r"pool worker: .*larger than the smallest instance.*--instance-types"):
        await target.up(IGNORE_REPORT, Sizing(memory={"worker": 8000}))
    assert len(running(account)) == 1


async def test_max_instances_below_running_workers_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 5)
    with pytest.raises(InvalidInput, match=r"1 instances: .*5 of pool worker, need 2.*python -m fleet scale"):
        await target.up(IGNORE_REPORT, Sizing(max_instances=1))
    await target.scale(WORKER, 4, IGNORE_REPORT)
    await target.up(IGNORE_REPORT, Sizing(max_instances=1))
    assert the_group(account).maximum == 1


async def test_nonexistent_instance_type_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(InvalidInput, match=r"instance types: .*zz\.big.*--instance-types"):
        await target.up(IGNORE_REPORT, Sizing(instance_types=("zz.big",)))
    assert account.cloudformation.stacks == {}


async def test_graviton_gets_its_own_ami(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(architecture="arm64"))
    parameters = account.cloudformation.stacks[f"{NAME}-compute"].parameters
    assert parameters["AmiId"].endswith("/arm64/recommended/image_id")
    assert the_group(account).instance_types() == ["c7g.large"]


async def test_expired_credentials_are_reported(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.sts.expired = True
    with pytest.raises(AccessDenied, match=r"expired.*Log in again"):
        await target.up(IGNORE_REPORT)


@pytest.mark.parametrize("other", [Account("444455556666"), Account(region="eu-west-1")], ids=["account", "region"])
async def test_other_account_or_region_is_refused_by_every_verb(
    account: Account,
    target: AwsTarget,
    settings: Settings,
    other: Account,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(IGNORE_REPORT)
    monkeypatch.setattr(ActiveBackend, "backend", other)
    there = AwsTarget(settings, DoubleConnection(settings, region=other.region), DoubleClock())
    for verb in (
        lambda: there.up(IGNORE_REPORT),
        lambda: there.scale(WORKER, 1, IGNORE_REPORT),
        there.status,
        lambda: there.down(IGNORE_REPORT, delete_data=False),
    ):
        with pytest.raises(InvalidInput, match="was brought up on account 111122223333 in us-east-1"):
            await verb()
    assert {str(call) for call in other.calls} == {"sts.GetCallerIdentity"}


def _events(account: Account) -> int:
    return sum(len(one.events) for one in account.cloudformation.stacks.values())
