"""Plants: one deliberate fault each, with the invariant that is to find it.

A fault is a path into the rendered resources and what to put there (``GONE`` takes it away). Paths leave out
``Properties``; ``[0]`` is the first of a list.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from tests.support.template_rendering import Resources

GONE: Final = object()
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Plant:
    """``value`` at ``path``, which ``found_by`` is to find."""

    found_by: str
    path: str
    value: Any = GONE

    def put(self, resources: Resources) -> None:
        """Spoil the resources, in place."""
        name, *steps = (word or int(number) for word, number in _STEP.findall(self.path))
        at: Any = resources
        if not steps:
            at, last = resources, name
        else:
            at, last = resources[str(name)], steps[-1]
            if steps[0] not in ("DependsOn", "Type"):
                at = at["Properties"]
            for step in steps[:-1]:
                at = at[step]
        if self.value is GONE:
            del at[last]
        else:
            at[last] = self.value


_CONTAINER = "WorkerTask.ContainerDefinitions[0]"
_BACKLOG = "WorkerBacklogPolicy.TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification.Metrics"
_ALARM = "WorkerWakeAlarm.Metrics"
_PROVIDER = "CapacityProvider.AutoScalingGroupProvider"
_LAUNCH = "LaunchTemplate.LaunchTemplateData"
_STATEMENTS = "Policies[0].PolicyDocument.Statement"
_SCALER = {"Type": "AWS::AutoScaling::ScalingPolicy", "Properties": {}}
_INGRESS = {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {"FromPort": 22}}

PLANTS: Final = (
    Plant("capacity.ecs_alone_sizes_the_group", "Group.DesiredCapacity", "1"),
    Plant("capacity.ecs_alone_sizes_the_group", "Group.MaxSize", "0"),
    Plant("capacity.ecs_alone_sizes_the_group", "Group.MinSize", "1"),
    Plant("capacity.ecs_alone_sizes_the_group", "Own", _SCALER),
    Plant("capacity.ecs_alone_sizes_the_group", f"{_PROVIDER}.ManagedScaling.Status", "DISABLED"),
    Plant("capacity.instances_with_work_stay", f"{_PROVIDER}.ManagedTerminationProtection", "DISABLED"),
    Plant("capacity.instances_with_work_stay", f"{_PROVIDER}.ManagedDraining"),
    Plant("capacity.instances_with_work_stay", "Group.NewInstancesProtectedFromScaleIn", value=False),
    Plant("capacity.instances_with_work_stay", "Group.CapacityRebalance", value=True),
    Plant("capacity.instances_with_work_stay", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    Plant("capacity.provider_has_a_name_it_may_have", "CapacityProvider.Name", "ecs-capacity"),
    Plant("capacity.provider_has_a_name_it_may_have", "CapacityProvider.Name"),
    Plant("capacity.things_are_deleted_in_an_order_that_works", "Group.DependsOn"),
    Plant("capacity.things_are_deleted_in_an_order_that_works", "WorkerService.DependsOn"),
    Plant("capacity.things_are_deleted_in_an_order_that_works", "Cluster.DependsOn"),
    Plant("capacity.things_are_deleted_in_an_order_that_works", f"{_PROVIDER}.AutoScalingGroupArn", "cloudkon"),
    Plant("capacity.instances_join_the_cluster", "Cluster.ClusterName", "another"),
    Plant("capacity.instances_are_tagged", "Group.Tags[0].Key", "Other"),
    Plant("capacity.instances_are_tagged", "Group.Tags[1].PropagateAtLaunch", value=False),
    Plant("capacity.instances_are_tagged", f"{_LAUNCH}.TagSpecifications"),
    Plant("capacity.nobody_comes_in", "InstanceSecurityGroup.SecurityGroupIngress", [{"FromPort": 22}]),
    Plant("capacity.nobody_comes_in", "InstanceSecurityGroup.SecurityGroupEgress"),
    Plant("capacity.nobody_comes_in", "Way", _INGRESS),
    Plant("capacity.nobody_comes_in", f"{_LAUNCH}.KeyName", "mine"),
    Plant("capacity.nobody_comes_in", f"{_LAUNCH}.MetadataOptions.HttpTokens", "optional"),
    Plant("capacity.nobody_comes_in", f"{_LAUNCH}.MetadataOptions.HttpPutResponseHopLimit", 2),
    Plant("capacity.volumes_are_encrypted_and_go", f"{_LAUNCH}.BlockDeviceMappings[0].Ebs.Encrypted", value=False),
    Plant("capacity.volumes_are_encrypted_and_go", f"{_LAUNCH}.BlockDeviceMappings[0].Ebs.VolumeType", "gp2"),
    Plant("containers.a_worker_ends_before_it_is_killed", f"{_CONTAINER}.StopTimeout", 30),
    Plant("containers.a_worker_ends_before_it_is_killed", f"{_CONTAINER}.StopTimeout"),
    Plant("containers.memory_fits", f"{_CONTAINER}.MemoryReservation", 1000),
    Plant("containers.memory_fits", f"{_CONTAINER}.Memory"),
    Plant("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.ReadonlyRootFilesystem", value=False),
    Plant("containers.they_can_do_no_more_than_work", "WorkerService.EnableExecuteCommand", value=True),
    Plant("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.User"),
    Plant("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.Privileged", value=True),
    Plant("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.LinuxParameters.InitProcessEnabled"),
    Plant("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.LinuxParameters.Capabilities"),
    Plant("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.DockerSecurityOptions", []),
    Plant("containers.there_is_a_place_for_scratch_files", f"{_CONTAINER}.MountPoints"),
    Plant("containers.there_is_a_place_for_scratch_files", "WorkerTask.Volumes", []),
    Plant("containers.a_stuck_worker_is_replaced", f"{_CONTAINER}.HealthCheck"),
    Plant("containers.logs_never_stop_a_worker", f"{_CONTAINER}.LogConfiguration.Options.mode"),
    Plant("containers.logs_never_stop_a_worker", f"{_CONTAINER}.LogConfiguration.Options.awslogs-group", "/mine"),
    Plant("containers.logs_never_stop_a_worker", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    Plant("containers.networking_is_cheap", "WorkerTask.NetworkMode", "awsvpc"),
    Plant("containers.networking_is_cheap", f"{_CONTAINER}.PortMappings", [{"ContainerPort": 80}]),
    Plant(
        "containers.no_secrets_in_the_environment",
        f"{_CONTAINER}.Environment[0]",
        {"Name": "AWS_SECRET_ACCESS_KEY", "Value": "x"},
    ),
    Plant("keeping.logs_end_some_day", "WorkerLogs.RetentionInDays"),
    Plant("keeping.container_insights_is_owned", "Cluster.ClusterSettings"),
    Plant("keeping.container_insights_is_owned", "InsightsLogs"),
    Plant("keeping.images_stay_what_they_are_and_go_when_old", "WorkerRepository.ImageTagMutability", "MUTABLE"),
    Plant("keeping.images_stay_what_they_are_and_go_when_old", "WorkerRepository.LifecyclePolicy"),
    Plant("keeping.images_stay_what_they_are_and_go_when_old", "WorkerRepository.ImageScanningConfiguration"),
    Plant("keeping.images_stay_what_they_are_and_go_when_old", "WorkerRepository.EmptyOnDelete"),
    Plant("roles.they_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].Action", "sqs:*"),
    Plant("roles.they_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].Resource", "*"),
    Plant("roles.they_are_limited", "InstanceRole.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
    Plant("roles.they_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].NotAction", "iam:*"),
    Plant("roles.they_allow_what_is_called", f"WorkerTaskRole.{_STATEMENTS}[2].Action", ["dynamodb:UpdateItem"]),
    Plant("roles.they_allow_what_is_called", f"InstanceRole.{_STATEMENTS}[1].Action", ["ecs:Poll"]),
    Plant("roles.they_allow_what_is_called", f"ExecutionRole.{_STATEMENTS}[0]", {"Sid": "", "Effect": "Deny"}),
    Plant("roles.they_name_actions_that_there_are", f"WorkerTaskRole.{_STATEMENTS}[0].Action", ["sqs:Receive"]),
    Plant(
        "roles.they_name_actions_that_there_are",
        f"WorkerTaskRole.{_STATEMENTS}[3].Resource",
        "arn:aws:ecs:eu-central-1:123456789012:task/cloudkon/*",
    ),
    Plant(
        "roles.a_pool_reaches_no_other_pools_messages",
        f"WorkerTaskRole.{_STATEMENTS}[0].Resource",
        "arn:aws:sqs:eu-central-1:123456789012:cloudkon-animoto",
    ),
    Plant(
        "roles.a_pool_reaches_no_other_pools_messages",
        f"WorkerTaskRole.{_STATEMENTS}[0].Resource",
        "arn:aws:sqs:eu-central-1:123456789012:cloudkon-results",
    ),
    Plant(
        "roles.others_accounts_cannot_use_task_roles", "WorkerTaskRole.AssumeRolePolicyDocument.Statement[0].Condition"
    ),
    Plant("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[0].Id", "Visible"),
    Plant("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[0].Id", "inflight"),
    Plant("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[4].Id", "running"),
    Plant("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[0].ReturnData", value=True),
    Plant("scaling.ids_are_defined_used_and_of_the_right_form", f"{_ALARM}[0].Id", "seen"),
    Plant("scaling.late_minutes_are_no_zeros", f"{_ALARM}[3].Expression", "IF(FILL(visible, 0) > 0, 1, 0)"),
    Plant(
        "scaling.late_minutes_are_no_zeros",
        f"{_BACKLOG}[5].Expression",
        "(FILL(visible, 0) + FILL(inflight, 0)) / IF(FILL(desired, 0) > 1, FILL(desired, 0), 1)",
    ),
    Plant("scaling.late_minutes_are_no_zeros", f"{_BACKLOG}[5].Expression", "(visible + inflight) / desired"),
    Plant("scaling.late_minutes_are_no_zeros", "WorkerWakeAlarm.EvaluationPeriods", 1),
    Plant("scaling.late_minutes_are_no_zeros", "WorkerWakeAlarm.TreatMissingData"),
    Plant(
        "scaling.backlog_is_all_that_is_not_done_a_worker",
        f"{_BACKLOG}[5].Expression",
        "(visible + inflight) / IF(visible >= 0, desired)",
    ),
    Plant(
        "scaling.backlog_is_all_that_is_not_done_a_worker",
        f"{_BACKLOG}[3].MetricStat.Metric.MetricName",
        "NumberOfMessagesSent",
    ),
    Plant(
        "scaling.metrics_are_the_pools_own",
        f"{_BACKLOG}[0].MetricStat.Metric.Dimensions[0].Value",
        "cloudkon-animoto",
    ),
    Plant("scaling.a_pool_wakes_from_zero_and_the_alarm_never_scales_in", "WorkerWakeAlarm"),
    Plant("scaling.a_pool_wakes_from_zero_and_the_alarm_never_scales_in", "WorkerWakeAlarm.AlarmActions", []),
    Plant(
        "scaling.a_pool_wakes_from_zero_and_the_alarm_never_scales_in",
        "WorkerWakePolicy.StepScalingPolicyConfiguration.AdjustmentType",
        "ExactCapacity",
    ),
    Plant("scaling.dead_letters_raise_an_alarm", "AnimotoDeadLetterAlarm"),
    Plant("services.waiting_ecs_tasks_make_the_group_grow", "WorkerService.LaunchType", "EC2"),
    Plant("services.waiting_ecs_tasks_make_the_group_grow", "WorkerService.CapacityProviderStrategy"),
    Plant("services.deployments_fit_and_roll_back", "WorkerService.DeploymentConfiguration.DeploymentCircuitBreaker"),
    Plant("services.deployments_fit_and_roll_back", "WorkerService.DeploymentConfiguration.MinimumHealthyPercent", 100),
    Plant("services.placement_packs", "WorkerService.PlacementStrategies[0].Type", "spread"),
    Plant("services.placement_packs", "WorkerService.AvailabilityZoneRebalancing"),
    Plant("services.ecs_tasks_are_tagged", "WorkerService.PropagateTags"),
)
