"""Lists the actions by which CloudFormation creates, updates and deletes a resource with its caller's permissions.

They are the ``handlers`` in each type's resource provider schema (CloudFormation's public registry), without those
for properties that the templates don't use: customer keys, replication, load balancers, Lambda and others. Queue
policies have no schema; they are an attribute of their queue.
"""

from collections.abc import Mapping
from typing import Final

_ECS_TAGS = "ecs:TagResource ecs:UntagResource ecs:ListTagsForResource"

HANDLERS: Final[Mapping[str, Mapping[str, str]]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": {
        "create": "application-autoscaling:DescribeScalableTargets application-autoscaling:RegisterScalableTarget "
        "application-autoscaling:DescribeScheduledActions iam:CreateServiceLinkedRole",
        "update": "application-autoscaling:DescribeScalableTargets application-autoscaling:RegisterScalableTarget",
        "delete": "application-autoscaling:DeregisterScalableTarget",
    },
    "AWS::ApplicationAutoScaling::ScalingPolicy": {
        # Application Auto Scaling creates a target tracking policy's alarms with the caller's permissions.
        "create": "application-autoscaling:DescribeScalingPolicies application-autoscaling:PutScalingPolicy "
        "cloudwatch:GetMetricData cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms",
        "update": "application-autoscaling:DescribeScalingPolicies application-autoscaling:PutScalingPolicy "
        "cloudwatch:GetMetricData",
        "delete": "application-autoscaling:DescribeScalingPolicies application-autoscaling:DeleteScalingPolicy "
        "cloudwatch:DeleteAlarms",
    },
    "AWS::AutoScaling::AutoScalingGroup": {
        "create": "autoscaling:CreateAutoScalingGroup autoscaling:UpdateAutoScalingGroup "
        "autoscaling:CreateOrUpdateTags autoscaling:DescribeAutoScalingGroups autoscaling:DescribeScalingActivities "
        "ec2:DescribeLaunchTemplateVersions ec2:RunInstances iam:CreateServiceLinkedRole iam:PassRole",
        "update": "autoscaling:UpdateAutoScalingGroup autoscaling:CreateOrUpdateTags autoscaling:DeleteTags "
        "autoscaling:DescribeAutoScalingGroups ec2:RunInstances iam:PassRole",
        "delete": "autoscaling:DeleteAutoScalingGroup autoscaling:UpdateAutoScalingGroup "
        "autoscaling:DescribeAutoScalingGroups autoscaling:DescribeScalingActivities",
    },
    "AWS::CloudWatch::Alarm": {
        "create": "cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms cloudwatch:TagResource",
        "update": "cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms cloudwatch:TagResource cloudwatch:UntagResource "
        "cloudwatch:ListTagsForResource",
        "delete": "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms",
    },
    "AWS::DynamoDB::Table": {
        "create": "dynamodb:CreateTable dynamodb:DescribeTable dynamodb:DescribeTimeToLive dynamodb:UpdateTimeToLive "
        "dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights "
        "dynamodb:DescribeKinesisStreamingDestination dynamodb:ListTagsOfResource dynamodb:TagResource "
        "dynamodb:GetResourcePolicy",
        "update": "dynamodb:UpdateTable dynamodb:DescribeTable dynamodb:UpdateTimeToLive dynamodb:TagResource "
        "dynamodb:UntagResource",
        "delete": "dynamodb:DeleteTable dynamodb:DescribeTable",
    },
    "AWS::EC2::LaunchTemplate": {
        "create": "ec2:CreateLaunchTemplate ec2:CreateTags",
        "update": "ec2:CreateLaunchTemplateVersion ec2:DescribeLaunchTemplates",
        "delete": "ec2:DeleteLaunchTemplate ec2:DeleteTags ec2:DescribeLaunchTemplates",
    },
    "AWS::EC2::SecurityGroup": {
        "create": "ec2:CreateSecurityGroup ec2:DescribeSecurityGroups ec2:RevokeSecurityGroupEgress "
        "ec2:AuthorizeSecurityGroupEgress ec2:CreateTags",
        "update": "ec2:RevokeSecurityGroupEgress ec2:DescribeSecurityGroups ec2:AuthorizeSecurityGroupEgress "
        "ec2:CreateTags ec2:DeleteTags",
        "delete": "ec2:DescribeSecurityGroups ec2:DeleteSecurityGroup ec2:DescribeInstances",
    },
    "AWS::ECR::Repository": {
        "create": "ecr:CreateRepository ecr:PutLifecyclePolicy ecr:TagResource ecr:DescribeRepositories "
        "ecr:GetLifecyclePolicy ecr:GetRepositoryPolicy ecr:ListTagsForResource",
        "update": "ecr:PutLifecyclePolicy ecr:TagResource ecr:UntagResource ecr:PutImageScanningConfiguration "
        "ecr:PutImageTagMutability",
        "delete": "ecr:DeleteRepository",
    },
    "AWS::ECS::CapacityProvider": {
        "create": "autoscaling:CreateOrUpdateTags ecs:CreateCapacityProvider ecs:DescribeCapacityProviders "
        "ecs:PutClusterCapacityProviders iam:CreateServiceLinkedRole ecs:TagResource",
        "update": f"ecs:UpdateCapacityProvider ecs:DescribeCapacityProviders {_ECS_TAGS}",
        "delete": "ecs:DescribeCapacityProviders ecs:DeleteCapacityProvider ecs:PutClusterCapacityProviders",
    },
    "AWS::ECS::Cluster": {
        "create": "ecs:CreateCluster ecs:DescribeClusters iam:CreateServiceLinkedRole ecs:TagResource",
        "update": f"ecs:DescribeClusters ecs:UpdateCluster ecs:UpdateClusterSettings {_ECS_TAGS}",
        "delete": "ecs:DeleteCluster ecs:DescribeClusters",
    },
    "AWS::ECS::ClusterCapacityProviderAssociations": {
        "create": "ecs:DescribeClusters ecs:PutClusterCapacityProviders ecs:DescribeCapacityProviders",
        "update": "ecs:DescribeClusters ecs:PutClusterCapacityProviders ecs:DescribeCapacityProviders",
        "delete": "ecs:PutClusterCapacityProviders ecs:DescribeClusters",
    },
    "AWS::ECS::Service": {
        "create": "ecs:CreateService ecs:DescribeServiceDeployments ecs:DescribeServices ecs:ListServiceDeployments "
        "iam:PassRole ecs:TagResource",
        "update": "ecs:DescribeServiceDeployments ecs:DescribeServices ecs:ListServiceDeployments "
        f"ecs:StopServiceDeployment ecs:UpdateService {_ECS_TAGS}",
        "delete": "ecs:DeleteService ecs:DescribeServices",
    },
    "AWS::ECS::TaskDefinition": {
        "create": "ecs:RegisterTaskDefinition ecs:DescribeTaskDefinition ecs:TagResource iam:GetRole iam:PassRole",
        "update": f"ecs:DescribeTaskDefinition {_ECS_TAGS} iam:GetRole iam:PassRole",
        "delete": "ecs:DeregisterTaskDefinition ecs:DescribeTaskDefinition iam:GetRole iam:PassRole",
    },
    "AWS::IAM::InstanceProfile": {
        "create": "iam:CreateInstanceProfile iam:PassRole iam:AddRoleToInstanceProfile iam:GetInstanceProfile",
        "update": "iam:PassRole iam:RemoveRoleFromInstanceProfile iam:AddRoleToInstanceProfile iam:GetInstanceProfile",
        "delete": "iam:GetInstanceProfile iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile",
    },
    "AWS::IAM::Role": {
        "create": "iam:CreateRole iam:PutRolePolicy iam:GetRolePolicy iam:TagRole iam:UntagRole iam:GetRole",
        "update": "iam:UpdateRole iam:UpdateAssumeRolePolicy iam:DeleteRolePolicy iam:PutRolePolicy iam:TagRole "
        "iam:UntagRole iam:ListAttachedRolePolicies iam:ListRolePolicies",
        "delete": "iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:ListAttachedRolePolicies iam:ListRolePolicies",
    },
    "AWS::Logs::LogGroup": {
        "create": "logs:DescribeLogGroups logs:CreateLogGroup logs:PutRetentionPolicy logs:TagResource",
        "update": "logs:DescribeLogGroups logs:PutRetentionPolicy logs:TagResource logs:UntagResource "
        "logs:ListTagsForResource",
        "delete": "logs:DescribeLogGroups logs:DeleteLogGroup",
    },
    "AWS::S3::Bucket": {
        "create": "s3:CreateBucket s3:PutBucketTagging s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration "
        "s3:PutBucketPublicAccessBlock s3:ListBucket",
        "update": "s3:PutBucketTagging s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration "
        "s3:PutBucketPublicAccessBlock s3:GetBucketTagging",
        "delete": "s3:DeleteBucket s3:ListBucket",
    },
    "AWS::S3::BucketPolicy": {
        "create": "s3:GetBucketPolicy s3:PutBucketPolicy",
        "update": "s3:GetBucketPolicy s3:PutBucketPolicy",
        "delete": "s3:GetBucketPolicy s3:DeleteBucketPolicy",
    },
    "AWS::SQS::Queue": {
        "create": "sqs:CreateQueue sqs:GetQueueUrl sqs:GetQueueAttributes sqs:ListQueueTags sqs:TagQueue",
        "update": "sqs:SetQueueAttributes sqs:GetQueueAttributes sqs:ListQueueTags sqs:TagQueue sqs:UntagQueue",
        "delete": "sqs:DeleteQueue sqs:GetQueueAttributes",
    },
    "AWS::SQS::QueuePolicy": {
        "create": "sqs:SetQueueAttributes",
        "update": "sqs:SetQueueAttributes",
        "delete": "sqs:SetQueueAttributes",
    },
}
