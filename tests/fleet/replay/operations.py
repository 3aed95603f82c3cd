"""Lists the operations whose answers the fleet, its workers and its users read, with the rows that each answer has."""

from collections.abc import Iterator
from typing import Any, Final

ROWS: Final = {
    "application-autoscaling.DescribeScalableTargets": "ScalableTargets",
    "application-autoscaling.DescribeScalingPolicies": "ScalingPolicies",
    "autoscaling.DescribeAutoScalingGroups": "AutoScalingGroups",
    "autoscaling.DescribeScalingActivities": "Activities",
    "cloudformation.DescribeChangeSet": "",
    "cloudformation.DescribeEvents": "OperationEvents",
    "cloudformation.DescribeStackEvents": "StackEvents",
    "cloudformation.DescribeStacks": "Stacks",
    "cloudwatch.DescribeAlarms": "MetricAlarms",
    "cloudwatch.GetMetricData": "MetricDataResults",
    "dynamodb.BatchExecuteStatement": "Responses",
    "dynamodb.DescribeTimeToLive": "",
    "dynamodb.GetItem": "",
    "dynamodb.Query": "Items",
    "ec2.DescribeInstanceTypeOfferings": "InstanceTypeOfferings",
    "ec2.DescribeInstanceTypes": "InstanceTypes",
    "ec2.DescribeInstances": "Reservations",
    "ec2.DescribeRouteTables": "RouteTables",
    "ec2.DescribeSubnets": "Subnets",
    "ec2.DescribeVolumes": "Volumes",
    "ec2.DescribeVpcEndpoints": "VpcEndpoints",
    "ec2.DescribeVpcs": "Vpcs",
    "ecr.DescribeImages": "imageDetails",
    "ecs.DescribeClusters": "clusters",
    "ecs.DescribeContainerInstances": "containerInstances",
    "ecs.DescribeServices": "services",
    "ecs.DescribeTaskDefinition": "",
    "ecs.DescribeTasks": "tasks",
    "ecs.GetTaskProtection": "protectedTasks",
    "ecs.ListContainerInstances": "containerInstanceArns",
    "ecs.ListTasks": "taskArns",
    "logs.DescribeLogGroups": "logGroups",
    "logs.DescribeLogStreams": "logStreams",
    "logs.FilterLogEvents": "events",
    "logs.GetLogEvents": "events",
    "resourcegroupstaggingapi.GetResources": "ResourceTagMappingList",
    "s3.DeleteObjects": "",
    "s3.HeadObject": "",
    "s3.ListObjectVersions": "",
    "s3.ListObjectsV2": "Contents",
    "s3.PutObject": "",
    "service-quotas.GetServiceQuota": "",
    "sqs.ChangeMessageVisibilityBatch": "",
    "sqs.DeleteMessageBatch": "",
    "sqs.GetQueueAttributes": "",
    "sqs.GetQueueUrl": "",
    "sqs.ReceiveMessage": "Messages",
    "sqs.SendMessageBatch": "",
    "sts.GetCallerIdentity": "",
}
"""Rows of an answer are independent of each other, so that each can be read alone. Empty: the answer is one whole."""


def rows_of(operation: str, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an answer for each row of an answer; an answer without rows as it is."""
    rows = ROWS.get(operation)
    if not rows or not answer.get(rows):
        yield answer
        return
    if isinstance(answer[rows], list):
        yield from ({**answer, rows: [row]} for row in answer[rows])
