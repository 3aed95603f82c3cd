"""Which kinds of resources a stack may have. One that is missing here fails the test that asks for it."""

from typing import Final

from tests.fleet.double.kinds_of_data import (
    BucketKind,
    BucketPolicyKind,
    LogGroupKind,
    QueueKind,
    QueuePolicyKind,
    RepositoryKind,
    TableKind,
)
from tests.fleet.double.kinds_of_ecs import (
    AssociationKind,
    CapacityProviderKind,
    ClusterKind,
    ServiceKind,
    TaskDefinitionKind,
)
from tests.fleet.double.kinds_of_instances import (
    AlarmKind,
    GroupKind,
    InstanceProfileKind,
    LaunchTemplateKind,
    RoleKind,
    ScalableTargetKind,
    ScalingPolicyKind,
    SecurityGroupKind,
)
from tests.fleet.double.resource import Kind

KINDS: Final[dict[str, Kind]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTargetKind(),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicyKind(),
    "AWS::AutoScaling::AutoScalingGroup": GroupKind(),
    "AWS::CloudWatch::Alarm": AlarmKind(),
    "AWS::DynamoDB::Table": TableKind(),
    "AWS::EC2::LaunchTemplate": LaunchTemplateKind(),
    "AWS::EC2::SecurityGroup": SecurityGroupKind(),
    "AWS::ECR::Repository": RepositoryKind(),
    "AWS::ECS::CapacityProvider": CapacityProviderKind(),
    "AWS::ECS::Cluster": ClusterKind(),
    "AWS::ECS::ClusterCapacityProviderAssociations": AssociationKind(),
    "AWS::ECS::Service": ServiceKind(),
    "AWS::ECS::TaskDefinition": TaskDefinitionKind(),
    "AWS::IAM::InstanceProfile": InstanceProfileKind(),
    "AWS::IAM::Role": RoleKind(),
    "AWS::Logs::LogGroup": LogGroupKind(),
    "AWS::S3::Bucket": BucketKind(),
    "AWS::S3::BucketPolicy": BucketPolicyKind(),
    "AWS::SQS::Queue": QueueKind(),
    "AWS::SQS::QueuePolicy": QueuePolicyKind(),
}
