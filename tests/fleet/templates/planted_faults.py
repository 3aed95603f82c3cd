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
class PlantedFault:
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

PLANTED_FAULTS: Final = (
    PlantedFault("capacity.ecs_alone_sizes_the_group", "Group.DesiredCapacity", "1"),
    PlantedFault("capacity.ecs_alone_sizes_the_group", "Group.MaxSize", "0"),
    PlantedFault("capacity.ecs_alone_sizes_the_group", "Group.MinSize", "1"),
    PlantedFault("capacity.ecs_alone_sizes_the_group", "Own", _SCALER),
    PlantedFault("capacity.ecs_alone_sizes_the_group", f"{_PROVIDER}.ManagedScaling.Status", "DISABLED"),
    PlantedFault("capacity.instances_with_work_stay", f"{_PROVIDER}.ManagedTerminationProtection", "DISABLED"),
    PlantedFault("capacity.instances_with_work_stay", f"{_PROVIDER}.ManagedDraining"),
    PlantedFault("capacity.instances_with_work_stay", "Group.NewInstancesProtectedFromScaleIn", value=False),
    PlantedFault("capacity.instances_with_work_stay", "Group.CapacityRebalance", value=True),
    PlantedFault("capacity.instances_with_work_stay", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    PlantedFault("capacity.provider_has_a_name_it_may_have", "CapacityProvider.Name", "ecs-capacity"),
    PlantedFault("capacity.provider_has_a_name_it_may_have", "CapacityProvider.Name"),
    PlantedFault("capacity.things_are_deleted_in_an_order_that_works", "Group.DependsOn"),
    PlantedFault("capacity.things_are_deleted_in_an_order_that_works", "WorkerService.DependsOn"),
    PlantedFault("capacity.things_are_deleted_in_an_order_that_works", "Cluster.DependsOn"),
    PlantedFault("capacity.things_are_deleted_in_an_order_that_works", f"{_PROVIDER}.AutoScalingGroupArn", "cloudkon"),
    PlantedFault("capacity.instances_join_the_cluster", "Cluster.ClusterName", "another"),
    PlantedFault("capacity.instances_are_tagged", "Group.Tags[0].Key", "Other"),
    PlantedFault("capacity.instances_are_tagged", "Group.Tags[1].PropagateAtLaunch", value=False),
    PlantedFault("capacity.instances_are_tagged", f"{_LAUNCH}.TagSpecifications"),
    PlantedFault("capacity.nobody_comes_in", "InstanceSecurityGroup.SecurityGroupIngress", [{"FromPort": 22}]),
    PlantedFault("capacity.nobody_comes_in", "InstanceSecurityGroup.SecurityGroupEgress"),
    PlantedFault("capacity.nobody_comes_in", "Way", _INGRESS),
    PlantedFault("capacity.nobody_comes_in", f"{_LAUNCH}.KeyName", "mine"),
    PlantedFault("capacity.nobody_comes_in", f"{_LAUNCH}.MetadataOptions.HttpTokens", "optional"),
    PlantedFault("capacity.nobody_comes_in", f"{_LAUNCH}.MetadataOptions.HttpPutResponseHopLimit", 2),
    PlantedFault(
        "capacity.volumes_are_encrypted_and_go", f"{_LAUNCH}.BlockDeviceMappings[0].Ebs.Encrypted", value=False
    ),
    PlantedFault("capacity.volumes_are_encrypted_and_go", f"{_LAUNCH}.BlockDeviceMappings[0].Ebs.VolumeType", "gp2"),
    PlantedFault("containers.a_worker_ends_before_it_is_killed", f"{_CONTAINER}.StopTimeout", 30),
    PlantedFault("containers.a_worker_ends_before_it_is_killed", f"{_CONTAINER}.StopTimeout"),
    PlantedFault("containers.memory_fits", f"{_CONTAINER}.MemoryReservation", 1000),
    PlantedFault("containers.memory_fits", f"{_CONTAINER}.Memory"),
    PlantedFault("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.ReadonlyRootFilesystem", value=False),
    PlantedFault("containers.they_can_do_no_more_than_work", "WorkerService.EnableExecuteCommand", value=True),
    PlantedFault("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.User"),
    PlantedFault("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.Privileged", value=True),
    PlantedFault("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.LinuxParameters.InitProcessEnabled"),
    PlantedFault("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.LinuxParameters.Capabilities"),
    PlantedFault("containers.they_can_do_no_more_than_work", f"{_CONTAINER}.DockerSecurityOptions", []),
    PlantedFault("containers.there_is_a_place_for_scratch_files", f"{_CONTAINER}.MountPoints"),
    PlantedFault("containers.there_is_a_place_for_scratch_files", "WorkerTask.Volumes", []),
    PlantedFault("containers.a_stuck_worker_is_replaced", f"{_CONTAINER}.HealthCheck"),
    PlantedFault("containers.logs_never_stop_a_worker", f"{_CONTAINER}.LogConfiguration.Options.mode"),
    PlantedFault(
        "containers.logs_never_stop_a_worker", f"{_CONTAINER}.LogConfiguration.Options.awslogs-group", "/mine"
    ),
    PlantedFault("containers.logs_never_stop_a_worker", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    PlantedFault("containers.networking_is_cheap", "WorkerTask.NetworkMode", "awsvpc"),
    PlantedFault("containers.networking_is_cheap", f"{_CONTAINER}.PortMappings", [{"ContainerPort": 80}]),
    PlantedFault(
        "containers.no_secrets_in_the_environment",
        f"{_CONTAINER}.Environment[0]",
        {"Name": "AWS_SECRET_ACCESS_KEY", "Value": "x"},
    ),
    PlantedFault("retention.logs_end_some_day", "WorkerLogs.RetentionInDays"),
    PlantedFault("retention.container_insights_is_owned", "Cluster.ClusterSettings"),
    PlantedFault("retention.container_insights_is_owned", "InsightsLogs"),
    PlantedFault("retention.images_stay_what_they_are_and_go_when_old", "WorkerRepository.ImageTagMutability", "MUTABLE"),
    PlantedFault("retention.images_stay_what_they_are_and_go_when_old", "WorkerRepository.LifecyclePolicy"),
    PlantedFault("retention.images_stay_what_they_are_and_go_when_old", "WorkerRepository.ImageScanningConfiguration"),
    PlantedFault("retention.images_stay_what_they_are_and_go_when_old", "WorkerRepository.EmptyOnDelete"),
    PlantedFault("roles.they_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].Action", "sqs:*"),
    PlantedFault("roles.they_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].Resource", "*"),
    PlantedFault(
        "roles.they_are_limited", "InstanceRole.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]
    ),
    PlantedFault("roles.they_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].NotAction", "iam:*"),
    PlantedFault("roles.they_allow_what_is_called", f"WorkerTaskRole.{_STATEMENTS}[2].Action", ["dynamodb:UpdateItem"]),
    PlantedFault("roles.they_allow_what_is_called", f"InstanceRole.{_STATEMENTS}[1].Action", ["ecs:Poll"]),
    PlantedFault("roles.they_allow_what_is_called", f"ExecutionRole.{_STATEMENTS}[0]", {"Sid": "", "Effect": "Deny"}),
    PlantedFault("roles.they_name_actions_that_there_are", f"WorkerTaskRole.{_STATEMENTS}[0].Action", ["sqs:Receive"]),
    PlantedFault(
        "roles.they_name_actions_that_there_are",
        f"WorkerTaskRole.{_STATEMENTS}[3].Resource",
        "arn:aws:ecs:eu-central-1:123456789012:task/cloudkon/*",
    ),
    PlantedFault(
        "roles.a_pool_reaches_no_other_pools_messages",
        f"WorkerTaskRole.{_STATEMENTS}[0].Resource",
        "arn:aws:sqs:eu-central-1:123456789012:cloudkon-animoto",
    ),
    PlantedFault(
        "roles.a_pool_reaches_no_other_pools_messages",
        f"WorkerTaskRole.{_STATEMENTS}[0].Resource",
        "arn:aws:sqs:eu-central-1:123456789012:cloudkon-results",
    ),
    PlantedFault(
        "roles.others_accounts_cannot_use_task_roles", "WorkerTaskRole.AssumeRolePolicyDocument.Statement[0].Condition"
    ),
    PlantedFault("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[0].Id", "Visible"),
    PlantedFault("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[0].Id", "inflight"),
    PlantedFault("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[4].Id", "running"),
    PlantedFault("scaling.ids_are_defined_used_and_of_the_right_form", f"{_BACKLOG}[0].ReturnData", value=True),
    PlantedFault("scaling.ids_are_defined_used_and_of_the_right_form", f"{_ALARM}[0].Id", "seen"),
    PlantedFault("scaling.late_minutes_are_no_zeros", f"{_ALARM}[3].Expression", "IF(FILL(visible, 0) > 0, 1, 0)"),
    PlantedFault(
        "scaling.late_minutes_are_no_zeros",
        f"{_BACKLOG}[5].Expression",
        "(FILL(visible, 0) + FILL(inflight, 0)) / IF(FILL(desired, 0) > 1, FILL(desired, 0), 1)",
    ),
    PlantedFault("scaling.late_minutes_are_no_zeros", f"{_BACKLOG}[5].Expression", "(visible + inflight) / desired"),
    PlantedFault("scaling.late_minutes_are_no_zeros", "WorkerWakeAlarm.EvaluationPeriods", 1),
    PlantedFault("scaling.late_minutes_are_no_zeros", "WorkerWakeAlarm.TreatMissingData"),
    PlantedFault(
        "scaling.backlog_is_all_that_is_not_done_a_worker",
        f"{_BACKLOG}[5].Expression",
        "(visible + inflight) / IF(visible >= 0, desired)",
    ),
    PlantedFault(
        "scaling.backlog_is_all_that_is_not_done_a_worker",
        f"{_BACKLOG}[3].MetricStat.Metric.MetricName",
        "NumberOfMessagesSent",
    ),
    PlantedFault(
        "scaling.metrics_are_the_pools_own",
        f"{_BACKLOG}[0].MetricStat.Metric.Dimensions[0].Value",
        "cloudkon-animoto",
    ),
    PlantedFault("scaling.a_pool_wakes_from_zero_and_the_alarm_never_scales_in", "WorkerWakeAlarm"),
    PlantedFault("scaling.a_pool_wakes_from_zero_and_the_alarm_never_scales_in", "WorkerWakeAlarm.AlarmActions", []),
    PlantedFault(
        "scaling.a_pool_wakes_from_zero_and_the_alarm_never_scales_in",
        "WorkerWakePolicy.StepScalingPolicyConfiguration.AdjustmentType",
        "ExactCapacity",
    ),
    PlantedFault("scaling.dead_letters_raise_an_alarm", "AnimotoDeadLetterAlarm"),
    PlantedFault("services.waiting_ecs_tasks_make_the_group_grow", "WorkerService.LaunchType", "EC2"),
    PlantedFault("services.waiting_ecs_tasks_make_the_group_grow", "WorkerService.CapacityProviderStrategy"),
    PlantedFault(
        "services.deployments_fit_and_roll_back", "WorkerService.DeploymentConfiguration.DeploymentCircuitBreaker"
    ),
    PlantedFault(
        "services.deployments_fit_and_roll_back", "WorkerService.DeploymentConfiguration.MinimumHealthyPercent", 100
    ),
    PlantedFault("services.placement_packs", "WorkerService.PlacementStrategies[0].Type", "spread"),
    PlantedFault("services.placement_packs", "WorkerService.AvailabilityZoneRebalancing"),
    PlantedFault("services.ecs_tasks_are_tagged", "WorkerService.PropagateTags"),
)
