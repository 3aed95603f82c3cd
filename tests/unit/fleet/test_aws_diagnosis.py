"""Why a pool does not run its desired count, from AWS's answers."""

from dataclasses import replace

import pytest

from fleet.aws.diagnosis import Evidence, diagnose
from fleet.aws.resources.auto_scaling_group import AutoScalingGroup, Ec2Instance, GroupInstance
from fleet.aws.resources.ecs_service import ContainerInstance, Deployment, EcsTask, PoolService

NOW = 10_000.0
SERVICE = PoolService("worker", "ACTIVE", desired=4, running=0, pending=0, definition="worker:1")
GROUP = AutoScalingGroup("some-group", desired=2, most=4, protects_new=True)


def texts(seen: Evidence) -> list[str]:
    return [finding.text for finding in diagnose(seen)]


def stopped(reason: str) -> EcsTask:
    return EcsTask("arn", "STOPPED", reason, "", NOW - 5)


def test_stable_pool_has_no_findings() -> None:
    service = replace(SERVICE, running=4)
    seen = Evidence(service, NOW, stopped=[stopped("Essential container exited; exit code 1")], group=GROUP)
    assert texts(seen) == []


def test_missing_image_is_permanent_and_comes_first() -> None:
    reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
    seen = Evidence(SERVICE, NOW, stopped=[stopped(reason)], group=GROUP, launch_failures=("odd",))
    first, *rest = diagnose(seen)
    assert first.permanent
    assert "fleet publish" in first.text
    assert not any(finding.permanent for finding in rest)


def test_deliberately_stopped_ecs_task_is_no_failure() -> None:
    reasons = ["Scaling activity initiated by (deployment ecs-svc/1)", "Task stopped by user"]
    seen = Evidence(SERVICE, NOW, stopped=[stopped(reason) for reason in reasons], group=GROUP)
    assert texts(seen) == []


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Could not launch On-Demand Instances. InsufficientInstanceCapacity - ...", "--instance-types"),
        ("Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity.", "--instance-types"),
        ("An unknown reason", "keeps trying"),
    ],
)
def test_failed_launch_is_reported_with_a_remedy(said: str, remedy: str) -> None:
    (text,) = texts(Evidence(SERVICE, NOW, group=GROUP, launch_failures=(said, said)))
    assert text.startswith("no capacity: " + said[:20])
    assert remedy in text


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit", "Service Quotas"),
        ("Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count", "Service Quotas"),
        ("InvalidParameterCombination - The specified instance type is not eligible for Free Tier.", "(t3.small)"),
        (
            "Termination Reason: Client.InternalError: Client error on launch",
            "key policy for use with encrypted volumes",
        ),
        (
            "Termination Reason: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect",
            "key policy",
        ),
        ("Termination Reason: Client.VolumeLimitExceeded: Volume limit exceeded", "Amazon EBS"),
        ("The image id '[ami-0123456789abcdef0]' does not exist. Launching EC2 instance failed.", "fleet up"),
        ("PendingVerification - Your request for accessing resources in this region is being validated", "four hours"),
    ],
)
def test_launch_that_fails_for_ever_is_permanent(said: str, remedy: str) -> None:
    failures = ("UnfulfillableCapacity - Unable to fulfill capacity", said)
    (found,) = diagnose(Evidence(SERVICE, NOW, group=GROUP, launch_failures=failures, free_tier=("t3.small",)))
    assert found.permanent
    assert said.rstrip(".") in found.text
    assert remedy in found.text


def test_quota_is_not_used_up_for_ever_while_instances_end() -> None:
    leaving = [Ec2Instance("i-old", "c7i.large", "shutting-down", NOW - 400)]
    failures = ("VcpuLimitExceeded - ...",)
    (found,) = diagnose(Evidence(SERVICE, NOW, group=GROUP, launch_failures=failures, instances=leaving))
    assert not found.permanent


def test_instance_that_does_not_register_in_time_is_named() -> None:
    instances = [
        Ec2Instance("i-old", "c7i.large", "running", NOW - 400),
        Ec2Instance("i-ok", "c7i.large", "running", NOW - 400),
    ]
    registered = [ContainerInstance("i-ok", "ACTIVE", connected=True, busy=0)]
    (text,) = texts(Evidence(SERVICE, NOW, group=GROUP, instances=instances, registered=registered))
    assert "1 running instances have not registered" in text
    assert "i-old" in text


def test_starting_instance_is_given_time() -> None:
    instances = [Ec2Instance("i-new", "c7i.large", "running", NOW - 60)]
    assert texts(Evidence(SERVICE, NOW, group=GROUP, instances=instances)) == [
        "1 instances are starting, which takes two to three minutes"
    ]


def test_disconnected_agent_is_reported() -> None:
    registered = [ContainerInstance("i-mute", "ACTIVE", connected=False, busy=0)]
    assert "i-mute" in texts(Evidence(SERVICE, NOW, group=GROUP, registered=registered))[0]


def test_full_group_is_reported() -> None:
    instances = tuple(GroupInstance(f"i-{n}", "InService", "c7i.large", protected=True) for n in range(4))
    full = replace(GROUP, desired=4, instances=instances)
    running = [Ec2Instance(one.id, "c7i.large", "running", NOW - 900) for one in instances]
    registered = [ContainerInstance(one.id, "ACTIVE", connected=True, busy=4) for one in instances]
    (text,) = texts(Evidence(SERVICE, NOW, group=full, instances=running, registered=registered))
    assert "all 4 instances that --max-instances allows" in text


def test_surplus_workers_are_protected_or_finishing() -> None:
    service = replace(SERVICE, desired=1, running=3)
    assert "2 workers are protected" in texts(Evidence(service, NOW, protected=2, group=GROUP))[0]
    assert "2 surplus workers are finishing" in texts(Evidence(service, NOW, group=GROUP))[0]


def test_rolled_back_deployment_is_reported_with_its_reason() -> None:
    failed = Deployment("INACTIVE", "FAILED", "tasks failed to start", 3, "worker:2", NOW)
    service = replace(SERVICE, running=4, deployments=(failed,))
    assert texts(Evidence(service, NOW, group=GROUP)) == [
        "pool worker: its deployment failed and was rolled back: tasks failed to start"
    ]


def test_ecs_event_is_reported_if_nothing_else_is_known() -> None:
    service = replace(SERVICE, events=((NOW, "(service worker) was unable to place a task"), (NOW - 1, "older")))
    assert texts(Evidence(service, NOW, group=GROUP)) == [
        "pool worker: ECS reports: (service worker) was unable to place a task"
    ]


def test_missing_group_is_reported() -> None:
    assert "Auto Scaling group is gone" in texts(Evidence(SERVICE, NOW))[0]
