"""Finds the name conflicts that CloudFormation reports as it creates a change set, under ``EARLY_VALIDATION``."""

from collections.abc import Container, Iterator
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
_NAMES: Final = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
}
"""The property with the name, of each type that is looked up."""


def validation_errors(stack: "Stack", template: "Template", parameters: dict[str, str]) -> Iterator[Document]:
    """Yield the event of each resource that the stack would create and that exists."""
    if EARLY_VALIDATION not in stack.account.readings:
        return
    scope = stack.scope(template, parameters)
    for logical, body in template.wanted(scope).items():
        if logical in stack.resources or body["Type"] not in _NAMES:
            continue
        key = _NAMES[body["Type"]]
        name = str(scope.resolve(body["Properties"][key], lambda one, attribute: f"new {one}.{attribute}"))
        if name in _existing(stack.account, body["Type"]):
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


def _existing(account: "Account", kind: str) -> Container[str]:
    """Return the account's resources of a type, by name."""
    found: dict[str, Container[str]] = {
        "AWS::DynamoDB::Table": account.dynamodb.tables,
        "AWS::ECR::Repository": account.ecr.repositories,
        "AWS::Logs::LogGroup": account.logs.groups,
        "AWS::S3::Bucket": account.s3.buckets,
        "AWS::SQS::Queue": account.sqs.queues,
    }
    return found[kind]
