"""The double's ECS and Auto Scaling: capacity follows waiting ECS tasks, protection holds, deletion has an order."""

import pytest
from botocore.exceptions import ClientError

from tests.fleet.double.account import Account
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.auto_scaling_group import AutoScalingGroup
from tests.fleet.double.clients import client
from tests.fleet.double.real_templates import (
    NAME,
    change,
    compute_parameters,
    create_fleet,
    delete,
    failures,
    publish,
    template,
)

COMPUTE = f"{NAME}-compute"


@pytest.fixture
def group(account: Account) -> AutoScalingGroup:
    """Return the group of a fleet with an image for its workers and a count of 0."""
    compute = create_fleet(account, WorkerImage=f"{account.ecr.host}/{NAME}/worker:one")
    publish(account)
    return account.autoscaling.groups.get(compute.resources["Group"].physical)


def _count(account: Account, count: int, seconds: float) -> tuple[int, int]:
    """Set the desired count, let time pass, and return how many run and how many wait."""
    client("ecs").update_service(cluster=NAME, service="worker", desiredCount=count)
    account.pass_time(seconds)
    found = client("ecs").describe_services(cluster=NAME, services=["worker"])["services"][0]
    return found["runningCount"], found["pendingCount"]


def _parameters(account: Account, tag: str = "one") -> dict[str, str]:
    """Return the parameters of an update that deploys an image."""
    return compute_parameters(Creating="false", WorkerImage=f"{account.ecr.host}/{NAME}/worker:{tag}")


def _tasks(account: Account) -> list[str]:
    found: list[str] = client("ecs").list_tasks(cluster=NAME, serviceName="worker")["taskArns"]
    return found


def test_ecs_tasks_wait_while_capacity_grows_from_zero_by_two(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 12, 10) == (0, 12)
    assert group.desired == 0
    account.pass_time(60)
    assert group.desired == 2
    assert _count(account, 12, 600) == (12, 0)
    assert len(group.instances) == 3


def test_ecs_tasks_beyond_the_maximum_size_wait_for_ever(account: Account, group: AutoScalingGroup) -> None:
    running, pending = _count(account, 40, 3600)
    assert running + pending == 40
    assert pending > 0
    assert len(group.instances) == group.maximum


def test_ecs_task_larger_than_an_instance_never_scales_out(account: Account) -> None:
    image = f"{account.ecr.host}/{NAME}/worker:one"
    compute = create_fleet(account, WorkerImage=image, WorkerMemory="60000")
    publish(account)
    assert _count(account, 1, 3600) == (0, 1)
    assert account.autoscaling.groups.get(compute.resources["Group"].physical).instances == []


def test_service_with_launch_type_never_scales_out(account: Account) -> None:
    planted = template("compute").replace(
        "      CapacityProviderStrategy:\n        - { CapacityProvider: !Ref CapacityProvider, Weight: 1 }\n",
        "      LaunchType: EC2\n",
    )
    image = f"{account.ecr.host}/{NAME}/worker:one"
    compute = change(account, COMPUTE, planted, compute_parameters(WorkerImage=image))
    publish(account)
    assert compute.status == "CREATE_COMPLETE"
    assert _count(account, 1, 3600) == (0, 0)
    assert account.autoscaling.groups.get(compute.resources["Group"].physical).instances == []


def test_protected_ecs_tasks_stay_and_others_stop(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 5, 900) == (5, 0)
    busy = _tasks(account)[:3]
    client("ecs").update_task_protection(cluster=NAME, tasks=busy, protectionEnabled=True, expiresInMinutes=60)
    assert _count(account, 2, 120) == (3, 0)
    assert sorted(_tasks(account)) == sorted(busy)
    account.pass_time(3600)
    assert len(_tasks(account)) == 2


def test_idle_instances_terminate_after_fifteen_minutes(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 12, 900) == (12, 0)
    _count(account, 0, 600)
    assert len(group.instances) == 3
    account.pass_time(900)
    assert group.instances == []


def test_missing_capacity_is_shown_in_scaling_activities(account: Account, group: AutoScalingGroup) -> None:
    account.autoscaling.capacity = False
    assert _count(account, 1, 600) == (0, 1)
    told = client("autoscaling").describe_scaling_activities(AutoScalingGroupName=group.name)["Activities"][0]
    assert told["StatusCode"] == "Failed"
    assert "sufficient c7i.large capacity" in told["StatusMessage"]


def test_missing_image_stops_ecs_tasks_with_a_reason(account: Account) -> None:
    create_fleet(account, WorkerImage=f"{account.ecr.host}/{NAME}/worker:gone")
    assert _count(account, 1, 600)[0] == 0
    stopped = client("ecs").list_tasks(cluster=NAME, serviceName="worker", desiredStatus="STOPPED")["taskArns"]
    told = client("ecs").describe_tasks(cluster=NAME, tasks=stopped)["tasks"][0]
    assert told["stopCode"] == "TaskFailedToStart"
    assert "CannotPullContainerError" in told["stoppedReason"]


def test_failed_deployment_is_rolled_back(account: Account, group: AutoScalingGroup) -> None:
    change(account, COMPUTE, template("compute"), _parameters(account))
    assert _count(account, 2, 900) == (2, 0)
    compute = change(account, COMPUTE, template("compute"), _parameters(account, "gone"))
    assert compute.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Circuit Breaker" in failures(compute)["WorkerService"]
    assert _count(account, 2, 60) == (2, 0)
    running = client("ecs").describe_tasks(cluster=NAME, tasks=_tasks(account))["tasks"]
    assert {one["containers"][0]["image"] for one in running} == {f"{account.ecr.host}/{NAME}/worker:one"}


def test_failed_update_right_after_creation_resets_the_count(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 2, 900) == (2, 0)
    change(account, COMPUTE, template("compute"), _parameters(account, "gone"))
    assert account.ecs.clusters.get(NAME).services["worker"].desired == 0


def test_deployment_replaces_all_ecs_tasks(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 4, 900) == (4, 0)
    other = publish(account, tag="two")
    compute = change(account, COMPUTE, template("compute"), _parameters(account, "two"))
    assert compute.status == "UPDATE_COMPLETE"
    running = client("ecs").describe_tasks(cluster=NAME, tasks=_tasks(account))["tasks"]
    assert [one["containers"][0]["image"] for one in running] == [other] * 4


def test_deletion_in_the_wrong_order_is_refused(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 1, 900) == (1, 0)
    ecs, autoscaling = client("ecs"), client("autoscaling")
    with pytest.raises(ClientError, match="ClusterContainsServicesException"):
        ecs.delete_cluster(cluster=NAME)
    with pytest.raises(ClientError, match="in use and cannot be removed"):
        ecs.delete_capacity_provider(capacityProvider=f"{NAME}-capacity")
    with pytest.raises(ClientError, match="in use and cannot be removed"):
        ecs.put_cluster_capacity_providers(cluster=NAME, capacityProviders=[], defaultCapacityProviderStrategy=[])
    with pytest.raises(ClientError, match="ResourceInUse"):
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName=group.name)
    ecs.update_service(cluster=NAME, service="worker", desiredCount=0)
    for name in ("worker", "animoto"):
        ecs.delete_service(cluster=NAME, service=name)
    account.pass_time(60)
    with pytest.raises(ClientError, match="ClusterContainsContainerInstancesException"):
        ecs.delete_cluster(cluster=NAME)


def test_stack_with_protected_instances_can_not_be_deleted(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 1, 900) == (1, 0)
    group.properties["NewInstancesProtectedFromScaleIn"] = True
    client("ecs").update_service(cluster=NAME, service="worker", desiredCount=0)
    protected = [one.name for one in group.instances]
    account.ecs.providers.get(f"{NAME}-capacity").properties["managedTerminationProtection"] = "DISABLED"
    client("autoscaling").set_instance_protection(
        AutoScalingGroupName=group.name, InstanceIds=protected, ProtectedFromScaleIn=True
    )
    compute = delete(account, COMPUTE)
    assert compute.status == "DELETE_FAILED"
    assert {"Group", "Cluster"} <= set(compute.resources)
    group.reconcile()
    assert any("protected from scale in" in one["StatusMessage"] for one in group.activities)


def test_group_refuses_a_count_outside_its_bounds(account: Account, group: AutoScalingGroup) -> None:
    with pytest.raises(ClientError, match="must be between"):
        client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=group.name, DesiredCapacity=99)


def test_new_resources_are_seen_with_a_delay(account: Account, group: AutoScalingGroup) -> None:
    client("ecs").update_service(cluster=NAME, service="worker", desiredCount=1)
    account.pass_time(2)
    made = account.ecs.clusters.get(NAME).tasks[0].made
    account.timeline.now = made + 0.5
    assert _tasks(account) == []


def test_tags_of_deleted_resources_stay_listed(account: Account, group: AutoScalingGroup) -> None:
    arn = account.sqs.queues.get(f"{NAME}-results").arn
    account.sqs.remove(f"{NAME}-results")

    def seen() -> bool:
        pages = (
            client("resourcegroupstaggingapi")
            .get_paginator("get_resources")
            .paginate(TagFilters=[{"Key": "cloudkon:fleet", "Values": [NAME]}])
        )
        return any(one["ResourceARN"] == arn for page in pages for one in page["ResourceTagMappingList"])

    assert seen()
    account.pass_time(30)
    assert not seen()


def test_terminating_instance_is_drained_and_its_ecs_tasks_move(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 5, 900) == (5, 0)
    before = _tasks(account)
    busy = client("ecs").describe_tasks(cluster=NAME, tasks=before)["tasks"]
    leaving = account.ecs.clusters.get(NAME).instances[0]
    on_it = [one["taskArn"] for one in busy if one["containerInstanceArn"] == leaving.arn]
    client("ecs").update_task_protection(cluster=NAME, tasks=on_it[:1], protectionEnabled=True, expiresInMinutes=20)
    client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=leaving.instance.name, ShouldDecrementDesiredCapacity=False
    )
    account.pass_time(300)
    assert leaving.instance.lifecycle == "Terminating:Wait"
    assert set(_tasks(account)) & set(on_it) == set(on_it[:1])
    account.pass_time(1200)
    assert leaving.instance.state == "terminated"
    assert _count(account, 5, 0) == (5, 0)


def test_reclaimed_spot_instance_stops_protected_ecs_tasks(account: Account, group: AutoScalingGroup) -> None:
    assert _count(account, 2, 900) == (2, 0)
    before = _tasks(account)
    client("ecs").update_task_protection(cluster=NAME, tasks=before, protectionEnabled=True, expiresInMinutes=60)
    for one in list(group.instances):
        group.terminate(one, forced=True)
    account.pass_time(900)
    assert not set(_tasks(account)) & set(before)
    assert _count(account, 2, 0) == (2, 0)


def test_security_group_in_use_and_repository_with_images_stay(account: Account) -> None:
    planted = template("compute").replace("EmptyOnDelete: true", "EmptyOnDelete: false")
    compute = change(account, COMPUTE, planted, compute_parameters(WorkerImage=f"{account.ecr.host}/{NAME}/worker:one"))
    publish(account)
    assert _count(account, 1, 900) == (1, 0)
    with pytest.raises(ApiError, match="DependencyViolation"):
        account.ec2.delete_security_group(compute.resources["InstanceSecurityGroup"].physical)
    assert "still contains images" in failures(delete(account, COMPUTE))["WorkerRepository"]


def test_account_without_long_arns_refuses_services_with_tags(account: Account) -> None:
    account.ecs.long_arns["serviceLongArnFormat"] = "disabled"
    reasons = failures(create_fleet(account))
    assert "The new ARN and resource ID format must be enabled" in reasons["WorkerService"]
