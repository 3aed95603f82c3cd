"""Finds the name conflicts that CloudFormation reports as it creates a change set, under ``EARLY_VALIDATION``."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.readings import EARLY_VALIDATION

if TYPE_CHECKING:
    from tests.fleet.double.account import Account
    from tests.fleet.double.stack import Stack
    from tests.fleet.double.template import Template

Document = dict[str, Any]
CHECK: Final = "AWS::EarlyValidation::ResourceExistenceCheck"
FAILED: Final = (
    f"The following hook(s)/validation failed: [{CHECK}]. To troubleshoot Early Validation errors, use the "
    "DescribeEvents API for detailed failure information."
)
"""The whole reason that a change set gives, as users have quoted it."""
_NAMES: Final[Mapping[str, tuple[str, Callable[["Account", str], bool]]]] = {
    "AWS::DynamoDB::Table": ("TableName", lambda account, name: name in account.dynamodb.tables),
    "AWS::ECR::Repository": ("RepositoryName", lambda account, name: name in account.ecr.repositories),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda account, name: name in account.logs.groups),
    "AWS::S3::Bucket": ("BucketName", lambda account, name: name in account.s3.buckets),
    "AWS::SQS::Queue": ("QueueName", lambda account, name: name in account.sqs.queues),
}
"""The property with the name of each type that has one, and whether the account has such a resource."""


def validation_errors(stack: "Stack", template: "Template", parameters: dict[str, str]) -> Iterator[Document]:
    """Yield the event of each resource that the stack would create and that exists."""
    if EARLY_VALIDATION not in stack.account.readings:
        return
    scope = stack.scope(template, parameters)
    for logical, body in template.wanted(scope).items():
        if logical in stack.resources or body["Type"] not in _NAMES:
            continue
        key, exists = _NAMES[body["Type"]]
        name = str(scope.resolve(body["Properties"][key], lambda one, attribute: f"new {one}.{attribute}"))
        if exists(stack.account, name):
            yield {
                "EventId": f"{logical}-validation",
                "EventType": "VALIDATION_ERROR",
                "StackId": stack.arn,
                "LogicalResourceId": logical,
                "PhysicalResourceId": name,
                "ResourceType": body["Type"],
                "Timestamp": stack.account.timeline.moment,
                "ValidationName": "NAME_CONFLICT_VALIDATION",
                "ValidationFailureMode": "FAIL",
                "ValidationStatus": "FAILED",
                "ValidationStatusReason": f"Resource of type '{body['Type']}' with identifier '{name}' already exists.",
                "ValidationPath": f"/Resources/{logical}/Properties/{key}",
            }
