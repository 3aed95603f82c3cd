"""Lists the resource types that a stack may have. An unlisted type fails the test that uses it."""

from typing import Final

from tests.fleet.double.resource import ResourceType
from tests.fleet.double.resource_types.data import (
    BucketPolicyType,
    BucketType,
    LogGroupType,
    QueuePolicyType,
    QueueType,
    RepositoryType,
    TableType,
)
from tests.fleet.double.resource_types.ecs import (
    CapacityProviderAssociationsType,
    CapacityProviderType,
    ClusterType,
    ServiceType,
    TaskDefinitionType,
)
from tests.fleet.double.resource_types.instances import (
    AlarmType,
    AutoScalingGroupType,
    InstanceProfileType,
    LaunchTemplateType,
    RoleType,
    ScalableTargetType,
    ScalingPolicyType,
    SecurityGroupType,
)

RESOURCE_TYPES: Final[dict[str, ResourceType]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTargetType(),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicyType(),
    "AWS::AutoScaling::AutoScalingGroup": AutoScalingGroupType(),
    "AWS::CloudWatch::Alarm": AlarmType(),
    "AWS::DynamoDB::Table": TableType(),
    "AWS::EC2::LaunchTemplate": LaunchTemplateType(),
    "AWS::EC2::SecurityGroup": SecurityGroupType(),
    "AWS::ECR::Repository": RepositoryType(),
    "AWS::ECS::CapacityProvider": CapacityProviderType(),
    "AWS::ECS::Cluster": ClusterType(),
    "AWS::ECS::ClusterCapacityProviderAssociations": CapacityProviderAssociationsType(),
    "AWS::ECS::Service": ServiceType(),
    "AWS::ECS::TaskDefinition": TaskDefinitionType(),
    "AWS::IAM::InstanceProfile": InstanceProfileType(),
    "AWS::IAM::Role": RoleType(),
    "AWS::Logs::LogGroup": LogGroupType(),
    "AWS::S3::Bucket": BucketType(),
    "AWS::S3::BucketPolicy": BucketPolicyType(),
    "AWS::SQS::Queue": QueueType(),
    "AWS::SQS::QueuePolicy": QueuePolicyType(),
}
