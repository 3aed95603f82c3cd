"""Lists deliberate faults, each with the invariant that must find it.

A fault is a path into the rendered resources and a value to set there (``GONE`` removes it). Paths leave out
``Properties``; ``[0]`` is the first item of a list.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from tests.support.template_rendering import Resources

GONE: Final = object()
_STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")


@dataclass(frozen=True, slots=True)
class Fault:
    """``value`` at ``path``, which ``found_by`` must find."""

    found_by: str
    path: str
    value: Any = GONE

    def put(self, resources: Resources) -> None:
        """Put the fault into the resources, in place."""
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
    Fault("capacity.ecs_alone_sizes_the_group", "Group.DesiredCapacity", "1"),
    Fault("capacity.ecs_alone_sizes_the_group", "Group.MaxSize", "0"),
    Fault("capacity.ecs_alone_sizes_the_group", "Group.MinSize", "1"),
    Fault("capacity.ecs_alone_sizes_the_group", "Own", _SCALER),
    Fault("capacity.ecs_alone_sizes_the_group", f"{_PROVIDER}.ManagedScaling.Status", "DISABLED"),
    Fault("capacity.instances_with_work_are_protected", f"{_PROVIDER}.ManagedTerminationProtection", "DISABLED"),
    Fault("capacity.instances_with_work_are_protected", f"{_PROVIDER}.ManagedDraining"),
    Fault("capacity.instances_with_work_are_protected", "Group.NewInstancesProtectedFromScaleIn", value=False),
    Fault("capacity.instances_with_work_are_protected", "Group.CapacityRebalance", value=True),
    Fault("capacity.instances_with_work_are_protected", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    Fault("capacity.workers_are_stopped_at_spots_notice", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    Fault("capacity.workers_are_stopped_at_spots_notice", f"{_LAUNCH}.UserData[-1]"),
    Fault("capacity.workers_are_stopped_at_spots_notice", f"{_LAUNCH}.UserData[20]", "true"),
    Fault("capacity.workers_are_stopped_at_spots_notice", "WorkerTask.Family", "another-worker"),
    Fault("capacity.user_data_fits", f"{_LAUNCH}.UserData[-1]", "x" * 16_384),
    Fault("capacity.provider_name_is_valid", "CapacityProvider.Name", "ecs-capacity"),
    Fault("capacity.provider_name_is_valid", "CapacityProvider.Name"),
    Fault("capacity.deletion_order_works", "Group.DependsOn"),
    Fault("capacity.deletion_order_works", "WorkerService.DependsOn"),
    Fault("capacity.deletion_order_works", "Cluster.DependsOn"),
    Fault("capacity.deletion_order_works", f"{_PROVIDER}.AutoScalingGroupArn", "cloudkon"),
    Fault("capacity.instances_join_the_cluster", "Cluster.ClusterName", "another"),
    Fault("capacity.instances_are_tagged", "Group.Tags[0].Key", "Other"),
    Fault("capacity.instances_are_tagged", "Group.Tags[1].PropagateAtLaunch", value=False),
    Fault("capacity.instances_are_tagged", f"{_LAUNCH}.TagSpecifications"),
    Fault("capacity.instances_accept_no_connections", "InstanceSecurityGroup.SecurityGroupIngress", [{"FromPort": 22}]),
    Fault("capacity.instances_accept_no_connections", "InstanceSecurityGroup.SecurityGroupEgress"),
    Fault("capacity.instances_accept_no_connections", "Way", _INGRESS),
    Fault("capacity.instances_accept_no_connections", f"{_LAUNCH}.KeyName", "mine"),
    Fault("capacity.instances_accept_no_connections", f"{_LAUNCH}.MetadataOptions.HttpTokens", "optional"),
    Fault("capacity.instances_accept_no_connections", f"{_LAUNCH}.MetadataOptions.HttpPutResponseHopLimit", 2),
    Fault("capacity.volumes_are_encrypted_and_deleted", f"{_LAUNCH}.BlockDeviceMappings[0].Ebs.Encrypted", value=False),
    Fault("capacity.volumes_are_encrypted_and_deleted", f"{_LAUNCH}.BlockDeviceMappings[0].Ebs.VolumeType", "gp2"),
    Fault("containers.worker_stops_before_sigkill", f"{_CONTAINER}.StopTimeout", 30),
    Fault("containers.worker_stops_before_sigkill", f"{_CONTAINER}.StopTimeout"),
    Fault("containers.memory_fits", f"{_CONTAINER}.MemoryReservation", 1000),
    Fault("containers.memory_fits", f"{_CONTAINER}.Memory"),
    Fault("containers.containers_have_least_privilege", f"{_CONTAINER}.ReadonlyRootFilesystem", value=False),
    Fault("containers.containers_have_least_privilege", "WorkerService.EnableExecuteCommand", value=True),
    Fault("containers.containers_have_least_privilege", f"{_CONTAINER}.User"),
    Fault("containers.containers_have_least_privilege", f"{_CONTAINER}.Privileged", value=True),
    Fault("containers.containers_have_least_privilege", f"{_CONTAINER}.LinuxParameters.InitProcessEnabled", value=True),
    Fault("containers.containers_have_least_privilege", f"{_CONTAINER}.LinuxParameters.Capabilities"),
    Fault("containers.containers_have_least_privilege", f"{_CONTAINER}.DockerSecurityOptions", []),
    Fault("containers.instances_register_for_security_options", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    Fault("containers.tmp_is_writable", f"{_CONTAINER}.MountPoints"),
    Fault("containers.tmp_is_writable", "WorkerTask.Volumes", []),
    Fault("containers.health_check_is_set", f"{_CONTAINER}.HealthCheck"),
    Fault("containers.logs_never_block_a_worker", f"{_CONTAINER}.LogConfiguration.Options.mode"),
    Fault("containers.logs_never_block_a_worker", f"{_CONTAINER}.LogConfiguration.Options.awslogs-group", "/mine"),
    Fault("containers.logs_never_block_a_worker", f"{_LAUNCH}.UserData", ["ECS_CLUSTER=cloudkon"]),
    Fault("containers.networking_is_bridge", "WorkerTask.NetworkMode", "awsvpc"),
    Fault("containers.networking_is_bridge", f"{_CONTAINER}.PortMappings", [{"ContainerPort": 80}]),
    Fault(
        "containers.environment_has_no_secrets",
        f"{_CONTAINER}.Environment[0]",
        {"Name": "AWS_SECRET_ACCESS_KEY", "Value": "x"},
    ),
    Fault("retention.logs_have_retention", "WorkerLogs.RetentionInDays"),
    Fault("retention.stack_owns_insights_log_group", "Cluster.ClusterSettings"),
    Fault("retention.stack_owns_insights_log_group", "InsightsLogs"),
    Fault("retention.image_tags_are_immutable_and_old_images_expire", "WorkerRepository.ImageTagMutability", "MUTABLE"),
    Fault("retention.image_tags_are_immutable_and_old_images_expire", "WorkerRepository.LifecyclePolicy"),
    Fault("retention.image_tags_are_immutable_and_old_images_expire", "WorkerRepository.ImageScanningConfiguration"),
    Fault("retention.image_tags_are_immutable_and_old_images_expire", "WorkerRepository.EmptyOnDelete"),
    Fault("roles.statements_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].Action", "sqs:*"),
    Fault("roles.statements_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].Resource", "*"),
    Fault(
        "roles.statements_are_limited",
        "InstanceRole.ManagedPolicyArns",
        ["arn:aws:iam::aws:policy/AdministratorAccess"],
    ),
    Fault("roles.statements_are_limited", f"WorkerTaskRole.{_STATEMENTS}[0].NotAction", "iam:*"),
    Fault("roles.required_calls_are_allowed", f"WorkerTaskRole.{_STATEMENTS}[2].Action", ["dynamodb:UpdateItem"]),
    Fault("roles.required_calls_are_allowed", f"InstanceRole.{_STATEMENTS}[1].Action", ["ecs:Poll"]),
    Fault("roles.required_calls_are_allowed", f"ExecutionRole.{_STATEMENTS}[0]", {"Sid": "", "Effect": "Deny"}),
    Fault("roles.actions_exist", f"WorkerTaskRole.{_STATEMENTS}[0].Action", ["sqs:Receive"]),
    Fault(
        "roles.actions_exist",
        f"WorkerTaskRole.{_STATEMENTS}[3].Resource",
        "arn:aws:ecs:eu-central-1:123456789012:task/cloudkon/*",
    ),
    Fault(
        "roles.pool_reaches_only_its_own_messages",
        f"WorkerTaskRole.{_STATEMENTS}[0].Resource",
        "arn:aws:sqs:eu-central-1:123456789012:cloudkon-animoto",
    ),
    Fault(
        "roles.pool_reaches_only_its_own_messages",
        f"WorkerTaskRole.{_STATEMENTS}[0].Resource",
        "arn:aws:sqs:eu-central-1:123456789012:cloudkon-results",
    ),
    Fault(
        "roles.other_accounts_cannot_use_task_roles", "WorkerTaskRole.AssumeRolePolicyDocument.Statement[0].Condition"
    ),
    Fault("scaling.metric_ids_are_valid_and_used", f"{_BACKLOG}[0].Id", "Visible"),
    Fault("scaling.metric_ids_are_valid_and_used", f"{_BACKLOG}[0].Id", "inflight"),
    Fault("scaling.metric_ids_are_valid_and_used", f"{_BACKLOG}[4].Id", "running"),
    Fault("scaling.metric_ids_are_valid_and_used", f"{_BACKLOG}[0].ReturnData", value=True),
    Fault("scaling.metric_ids_are_valid_and_used", f"{_ALARM}[0].Id", "seen"),
    Fault("scaling.late_minutes_do_not_count_as_zero", f"{_ALARM}[4].Expression", "IF(FILL(visible, 0) > 0, 1, 0)"),
    Fault(
        "scaling.late_minutes_do_not_count_as_zero",
        f"{_BACKLOG}[5].Expression",
        "(FILL(visible, 0) + FILL(inflight, 0)) / IF(FILL(desired, 0) > 1, FILL(desired, 0), 1)",
    ),
    Fault("scaling.late_minutes_do_not_count_as_zero", f"{_BACKLOG}[5].Expression", "(visible + inflight) / desired"),
    Fault("scaling.late_minutes_do_not_count_as_zero", "WorkerWakeAlarm.EvaluationPeriods", 1),
    Fault("scaling.late_minutes_do_not_count_as_zero", "WorkerWakeAlarm.TreatMissingData"),
    Fault(
        "scaling.backlog_counts_unfinished_messages_per_worker",
        f"{_BACKLOG}[5].Expression",
        "(visible + inflight) / IF(visible >= 0, desired)",
    ),
    Fault(
        "scaling.backlog_counts_unfinished_messages_per_worker",
        f"{_BACKLOG}[3].MetricStat.Metric.MetricName",
        "NumberOfMessagesSent",
    ),
    Fault(
        "scaling.metrics_are_the_pools_own",
        f"{_BACKLOG}[0].MetricStat.Metric.Dimensions[0].Value",
        "cloudkon-animoto",
    ),
    Fault("scaling.wake_alarms_scale_out_from_zero_and_never_in", "WorkerWakeAlarm"),
    Fault("scaling.wake_alarms_scale_out_from_zero_and_never_in", "WorkerWakeAlarm.AlarmActions", []),
    Fault(
        "scaling.wake_alarms_scale_out_from_zero_and_never_in",
        "WorkerWakePolicy.StepScalingPolicyConfiguration.AdjustmentType",
        "ExactCapacity",
    ),
    Fault("scaling.wake_alarms_scale_out_from_zero_and_never_in", "AnimotoHighWakeAlarm"),
    Fault(
        "scaling.wake_alarms_need_no_metric_of_a_sleeping_service",
        f"{_ALARM}[2].MetricStat.Metric",
        {"Namespace": "ECS/ContainerInsights", "MetricName": "DesiredTaskCount", "Dimensions": []},
    ),
    Fault(
        "scaling.wake_alarms_need_no_metric_of_a_sleeping_service",
        f"{_ALARM}[1].MetricStat.Metric.Dimensions",
        [{"Name": "QueueName", "Value": "cloudkon-worker-high"}],
    ),
    Fault("scaling.wake_alarms_need_no_metric_of_a_sleeping_service", f"{_ALARM}[3]"),
    Fault(
        "scaling.wake_alarms_need_no_metric_of_a_sleeping_service",
        f"{_ALARM}[4].Expression",
        "IF(visible > 0, IF(FILL(received, 0) < 1, 1, 0), 0)",
    ),
    Fault("scaling.dead_letters_raise_an_alarm", "AnimotoDeadLetterAlarm"),
    Fault("services.waiting_ecs_tasks_make_the_group_grow", "WorkerService.LaunchType", "EC2"),
    Fault("services.waiting_ecs_tasks_make_the_group_grow", "WorkerService.CapacityProviderStrategy"),
    Fault("services.deployments_fit_and_roll_back", "WorkerService.DeploymentConfiguration.DeploymentCircuitBreaker"),
    Fault("services.deployments_fit_and_roll_back", "WorkerService.DeploymentConfiguration.MinimumHealthyPercent", 100),
    Fault("services.placement_packs", "WorkerService.PlacementStrategies[0].Type", "spread"),
    Fault("services.placement_packs", "WorkerService.AvailabilityZoneRebalancing"),
    Fault("services.ecs_tasks_are_tagged", "WorkerService.PropagateTags"),
)
